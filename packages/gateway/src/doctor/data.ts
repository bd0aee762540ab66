import { constants } from "node:fs";
import { access, lstat, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Checkup, checkup } from "./finding.ts";

/** The data folder: who may read it, and whether this user may write to it. */
export async function lookAtData(folder: string): Promise<Checkup[]> {
  const found = await stat(folder).catch(() => undefined);
  if (!found) {
    const canMake = await isWritable(await nearestThere(folder));
    return [
      checkup(
        "data",
        canMake ? "ok" : "fail",
        canMake ? `${folder} is not there yet: the first start makes it` : `${folder} is not there and cannot be made`,
        "make it, and give it to the user that runs the broker",
      ),
    ];
  }
  if (!found.isDirectory()) return [checkup("data", "fail", `${folder} is no folder`, "name another with `data`")];
  const own = process.getuid?.();
  const mode = found.mode & 0o777;
  const open = await openFiles(folder);
  return [
    (await isWritable(folder))
      ? checkup("data", "ok", `${folder} can be written`)
      : checkup("data", "fail", `${folder} cannot be written by this user`, `give it to the user that runs the broker`),
    mode & 0o077
      ? checkup(
          "data access",
          "warn",
          `${folder} is open to other users (mode ${mode.toString(8)}): it holds arguments, results and keys`,
          `run \`chmod 700 ${folder}\``,
        )
      : checkup("data access", "ok", `no other user can enter ${folder}`),
    ...(own !== undefined && own !== 0 && found.uid !== own
      ? [checkup("data owner", "warn", `${folder} belongs to user ${found.uid}, not to ${own}`, "run as its owner")]
      : []),
    ...(open.length > 0
      ? [
          checkup(
            "keys",
            "warn",
            `other users can read ${open.join(", ")}`,
            `run \`chmod 600\` for ${open.length === 1 ? "it" : "them"}`,
          ),
        ]
      : []),
  ];
}

/** The clock against the newest file of the ledger: a clock that went back puts records before their causes and lets tokens live longer. */
export async function lookAtClock(folder: string): Promise<Checkup> {
  const times = await Promise.all(
    ["ledger.db", "ledger.db-wal"].map(
      async (name) => (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
    ),
  );
  const ahead = Math.max(...times) - Date.now();
  const now = new Date().toISOString();
  return ahead > 60_000
    ? checkup(
        "clock",
        "warn",
        `it is ${now} here, ${Math.round(ahead / 1000)} s before the ledger was last written`,
        "set the clock, and keep it in step with NTP",
      )
    : checkup("clock", "ok", `it is ${now} here, not before the ledger was last written`);
}

/** Files that hold keys or secrets and that others can read. Looks no deeper than two folders. */
async function openFiles(folder: string, depth = 2): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map(async (entry): Promise<string[]> => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return depth > 1 ? await openFiles(path, depth - 1) : [];
      if (!entry.isFile() || !/key|secret|\.pem$/i.test(entry.name)) return [];
      const { mode } = await lstat(path);
      return mode & 0o077 && !/\.pub$|vkey|public/i.test(entry.name) ? [path] : [];
    }),
  );
  return found.flat().sort();
}

async function nearestThere(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) if ((await stat(at).catch(() => undefined)) || at === dirname(at)) return at;
}

async function isWritable(path: string): Promise<boolean> {
  return await access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}
