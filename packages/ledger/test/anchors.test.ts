import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { POSIX_ENV } from "@callgate/core";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type AnchorTarget, type Ledger, openLedger, openReader, openWitness, readCosigned } from "../src/index.ts";
import { dataFolder } from "./folder.ts";
import { tamper } from "./tamper.ts";

/** An anchor of some kind, for the ledger of one data folder. */
interface Place {
  readonly target: AnchorTarget;
  /** Makes it unreachable, and reachable again as it was. */
  lose(): Promise<void>;
  bring(): Promise<void>;
}

async function filePlace(folder: string): Promise<Place> {
  const path = join(dirname(folder), "outside", "anchor.jsonl");
  const away = `${dirname(path)}.away`;
  return {
    target: { to: `file:${path}` },
    async lose() {
      renameSync(dirname(path), away);
      writeFileSync(dirname(path), "no folder");
    },
    async bring() {
      rmSync(dirname(path));
      renameSync(away, dirname(path));
    },
  };
}

async function commandPlace(folder: string): Promise<Place> {
  const script = join(dirname(folder), "keep.sh");
  const kept = join(dirname(folder), "kept");
  writeFileSync(
    script,
    `#!/bin/sh\nif [ "$1" = last ]; then cat ${kept} 2>/dev/null || true; else cat > ${kept}.new && mv ${kept}.new ${kept}; fi\n`,
  );
  chmodSync(script, 0o755);
  return {
    target: { to: `command:${script}` },
    async lose() {
      renameSync(script, `${script}.away`);
    },
    async bring() {
      renameSync(`${script}.away`, script);
    },
  };
}

async function witnessPlace(folder: string): Promise<Place> {
  await (await openLedger({ folder })).close();
  const options = {
    file: join(dirname(folder), "witness.json"),
    vkeys: [readFileSync(join(folder, "ledger.vkey"), "utf8")],
  };
  let witness = await openWitness({ ...options, port: 0 });
  onTestFinished(() => witness.close());
  const port = Number(new URL(witness.url).port);
  return {
    target: { to: witness.url, vkey: witness.vkey },
    lose: () => witness.close(),
    async bring() {
      witness = await openWitness({ ...options, port });
    },
  };
}

/** Nobody who changes an anchor here wants to wait for it. */
const patience = { late: 50 };

const sizes = (ledger: Ledger) =>
  ledger.anchors().map(({ size, lag, error }) => ({ size, lag, failed: error !== undefined }));

async function run(folder: string, anchors: readonly AnchorTarget[], calls: number): Promise<void> {
  const ledger = await openLedger({ folder, patience, anchors });
  for (let i = 0; i < calls; i++) await ledger.append({ kind: "denial", call: `c${i}` });
  await ledger.close();
}

describe.each([
  ["file", filePlace],
  ["command", commandPlace],
  ["witness", witnessPlace],
])("an anchor that is a %s", (_, open) => {
  it("has every record when the ledger is closed, and agrees when it is opened again", async () => {
    const folder = dataFolder();
    const { target } = await open(folder);
    await run(folder, [target], 5);
    await run(folder, [target], 5);
    const ledger = await openLedger({ folder, patience, anchors: [target] });
    const { size } = ledger.anchors()[0] as { size: number };
    expect(size).toBeGreaterThanOrEqual(12);
    await ledger.append({ kind: "denial" });
    await ledger.close();
    expect(sizes(ledger)).toEqual([{ size: size + 2, lag: 0, failed: false }]);
  });

  it("gets a checkpoint a moment after a commit, and at once after 256 records", async () => {
    const folder = dataFolder();
    const { target } = await open(folder);
    const ledger = await openLedger({ folder, patience, anchors: [target] });
    await vi.waitFor(() => expect(ledger.anchors()[0]?.lag).toBe(0), 5000);
    await ledger.close();
    const slow = await openLedger({ folder, patience: { late: 60_000 }, anchors: [target] });
    await Promise.all(Array.from({ length: 600 }, () => slow.append({ kind: "denial" })));
    await vi.waitFor(() => expect(slow.anchors()[0]?.lag).toBeLessThan(256), 5000);
    await slow.close();
  });

  it("stops an older copy of the folder, an end that was cut off, and a branch", async () => {
    const folder = dataFolder();
    const { target } = await open(folder);
    await run(folder, [target], 3);
    const older = `${folder}.older`;
    cpSync(folder, older, { recursive: true });
    await run(folder, [target], 3);

    const behind = { code: "LEDGER_BEHIND_ANCHOR", message: expect.stringContaining(target.to) };
    await expect(openLedger({ folder: older, anchors: [target] })).rejects.toMatchObject(behind);

    const cut = `${folder}.cut`;
    cpSync(folder, cut, { recursive: true });
    tamper(cut, (db) => {
      const size = db.prepare("SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1 OFFSET 1").pluck().get();
      for (const sql of ["DELETE FROM record WHERE seq > ?", "DELETE FROM checkpoint WHERE size > ?"])
        db.prepare(sql).run(size);
    });
    const reader = openReader(cut);
    expect(reader.verify().findings).toEqual([]);
    reader.close();
    await expect(openLedger({ folder: cut, anchors: [target] })).rejects.toMatchObject(behind);

    await run(older, [], 9);
    await expect(openLedger({ folder: older, anchors: [target] })).rejects.toMatchObject({ code: "LEDGER_FORKED" });
    // The right one is as welcome as before.
    await run(folder, [target], 1);
  });

  it("does not stop the ledger while it is away, unless it is required", async () => {
    const folder = dataFolder();
    const { target, lose, bring } = await open(folder);
    await run(folder, [target], 2);
    await lose();
    await expect(openLedger({ folder, anchors: [{ ...target, required: true }] })).rejects.toMatchObject({
      code: "LEDGER_ANCHOR_UNREACHABLE",
    });
    const onAnchorError = vi.fn<(anchor: { name: string }) => void>();
    const ledger = await openLedger({ folder, patience, anchors: [target], onAnchorError });
    expect(await ledger.append({ kind: "denial" })).toBeGreaterThan(3);
    expect(ledger.anchors()).toMatchObject([{ name: target.to, size: 0, error: expect.any(String) }]);
    expect(onAnchorError).toHaveBeenCalledOnce();
    await bring();
    await vi.waitFor(() => expect(sizes(ledger)).toMatchObject([{ lag: 0, failed: false }]), 10_000);
    await ledger.close();
  });

  it("stops the ledger when it comes back and has seen more", async () => {
    const folder = dataFolder();
    const { target, lose, bring } = await open(folder);
    await run(folder, [target], 1);
    cpSync(folder, `${folder}.older`, { recursive: true });
    await run(folder, [target], 5);
    await lose();
    const onFailure = vi.fn<(error: Error) => void>();
    const ledger = await openLedger({ folder: `${folder}.older`, patience, anchors: [target], onFailure });
    await ledger.append({ kind: "denial" });
    await bring();
    await vi.waitFor(() => expect(onFailure).toHaveBeenCalledOnce(), 10_000);
    expect(onFailure.mock.calls[0]?.[0].message).toContain("has seen");
    await expect(ledger.append({ kind: "denial" })).rejects.toMatchObject({ code: "LEDGER_FAILED" });
    await ledger.close();
  });
});

describe("a file that is an anchor", () => {
  it("is whole again after a line that was cut off, and may be shared by several ledgers", async () => {
    const folder = dataFolder();
    const { target } = await filePlace(folder);
    const path = target.to.slice("file:".length);
    await run(folder, [target], 1);
    await run(`${folder}.other`, [target], 1);
    writeFileSync(path, `${readFileSync(path, "utf8")}{"v":1,"at":"2026`);
    await run(folder, [target], 1);
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    const logs = lines.map((line) => (JSON.parse(line) as { note: string }).note.split("\n")[0]);
    expect(new Set(logs).size).toBe(2);
    await run(`${folder}.other`, [target], 1);
  });

  it("stops a ledger that was rewritten under another key", async () => {
    const folder = dataFolder();
    const { target } = await filePlace(folder);
    await run(folder, [target], 3);
    const log = openReader(folder).log;
    const forged = `${folder}.forged`;
    await run(forged, [], 9);
    const origin = readFileSync(target.to.slice("file:".length), "utf8").replaceAll(log, openReader(forged).log);
    writeFileSync(target.to.slice("file:".length), origin);
    await expect(openLedger({ folder: forged, anchors: [target] })).rejects.toMatchObject({
      code: "LEDGER_FORKED",
      message: expect.stringContaining("another key signed it"),
    });
  });
});

describe("a command that is an anchor", () => {
  it("is reported with what it says when it does not keep a checkpoint", async () => {
    const folder = dataFolder();
    mkdirSync(dirname(folder), { recursive: true });
    const script = join(dirname(folder), "full.sh");
    writeFileSync(script, '#!/bin/sh\n[ "$1" = last ] && exit 1\necho the tape is full; exit 3\n');
    chmodSync(script, 0o755);
    const ledger = await openLedger({ folder, patience, anchors: [{ to: `command:${script}` }] });
    await vi.waitFor(() => expect(ledger.anchors()[0]?.error).toBe("the command ended with 3: the tape is full"), 5000);
    await ledger.close();
  });
});

describe("the environment of a command that is an anchor", () => {
  it("has no secret of the broker's", async () => {
    const folder = dataFolder();
    mkdirSync(dirname(folder), { recursive: true });
    const script = join(dirname(folder), "env.sh");
    const seen = join(dirname(folder), "seen");
    writeFileSync(
      script,
      `#!/bin/sh\n[ "$1" = last ] && exit 1\nenv > ${seen}.part; mv ${seen}.part ${seen}\ncat > /dev/null\n`,
    );
    chmodSync(script, 0o755);
    vi.stubEnv("CALLGATE_LEDGER_KEY", "ab".repeat(32));
    onTestFinished(() => void vi.unstubAllEnvs());
    const ledger = await openLedger({ folder, patience, anchors: [{ to: `command:${script}` }] });
    await vi.waitFor(() => expect(existsSync(seen)).toBe(true), 5000);
    await ledger.close();
    const env = readFileSync(seen, "utf8");
    expect(env).toMatch(/^PATH=/m);
    expect(env).not.toContain("ab".repeat(32));
    const sent = env.split("\n").map((line) => line.split("=")[0] as string);
    // What a shell adds by itself.
    const own = ["", "PWD", "OLDPWD", "SHLVL", "_"];
    expect(sent.filter((name) => !POSIX_ENV.includes(name) && !own.includes(name))).toEqual([]);
  });
});

describe("an anchor that does not answer", () => {
  const short = { late: 50, anchor: 300, lastCall: 300 };

  it("is passed over at the start where it is a pipe, and while the ledger runs", async () => {
    const folder = dataFolder();
    mkdirSync(folder, { recursive: true });
    const pipe = join(folder, "pipe");
    execFileSync("sh", ["-c", 'mkfifo "$0"', pipe]);
    const ledger = await openLedger({ folder, patience: short, anchors: [{ to: `file:${pipe}` }] });
    expect(ledger.anchors()[0]?.error).toMatch(/not a regular file/);
    await ledger.append({ kind: "denial" });
    await ledger.close();
    const file = join(folder, "file");
    const again = await openLedger({ folder, patience: short, anchors: [{ to: `file:${file}` }] });
    await vi.waitFor(() => expect(again.anchors()[0]?.lag).toBe(0), 5000);
    rmSync(file);
    execFileSync("sh", ["-c", 'mkfifo "$0"', file]);
    await again.append({ kind: "denial" });
    await vi.waitFor(() => expect(again.anchors()[0]?.error).toBeDefined(), 5000);
    await again.close();
  });

  it("holds neither the start nor the end, and is refused where it is required", async () => {
    const folder = dataFolder();
    mkdirSync(folder, { recursive: true });
    const script = join(folder, "keep.sh");
    // Ends at once, and leaves somebody behind who holds its output.
    writeFileSync(script, "#!/bin/sh\nsleep 30 &\necho $! >> $(dirname $0)/pids\n");
    chmodSync(script, 0o755);
    onTestFinished(() => {
      for (const pid of readFileSync(join(folder, "pids"), "utf8").trim().split("\n")) process.kill(Number(pid));
    });
    const target = { to: `command:${script}` };
    await expect(
      openLedger({ folder, patience: short, anchors: [{ ...target, required: true }] }),
    ).rejects.toMatchObject({ code: "LEDGER_ANCHOR_UNREACHABLE", message: expect.stringContaining("within 300 ms") });
    const ledger = await openLedger({ folder, patience: short, anchors: [target] });
    expect(ledger.anchors()[0]?.error).toBe("it has not answered within 300 ms");
    await ledger.append({ kind: "denial" });
    await vi.waitFor(() => expect(ledger.anchors()[0]?.error).toBe("it still has not answered"), 5000);
    await ledger.close();
    await (await openLedger({ folder })).close();
  });
});

describe("a witness", () => {
  it("is not believed without its signature where its key is known", async () => {
    const folder = dataFolder();
    const { target } = await witnessPlace(folder);
    const server = createServer((_, response) => response.end("— callgate-witness AAAAAAAA\n"));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    onTestFinished(() => void server.close());
    const liar = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ledger = await openLedger({ folder, anchors: [{ ...target, to: liar }] });
    expect(ledger.anchors()[0]?.error).toBe("its signature is not that of its key");
    await ledger.close();
  });

  it("cannot pass for the log where its key is not known, and its address is kept without a password", async () => {
    const folder = dataFolder();
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      void (async () => {
        asked.push(request.headers.authorization);
        const [, name, base64] = /^— (\S+) (\S+)$/m.exec(await textOf(request)) as unknown as [string, string, string];
        const id = Buffer.from(base64, "base64").subarray(0, 4);
        const line = (who: string) => `— ${who} ${Buffer.concat([id, Buffer.alloc(64, 7)]).toString("base64")}\n`;
        response.end(line(name) + line("somebody"));
      })();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    onTestFinished(() => void server.close());
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ledger = await openLedger({ folder, anchors: [{ to: `http://me:hush@${host}` }] });
    await ledger.append({ kind: "denial" });
    await ledger.close();
    expect(asked[0]).toBe(`Basic ${Buffer.from("me:hush").toString("base64")}`);
    expect(ledger.anchors()).toMatchObject([{ name: `http://${host}` }]);
    expect(readFileSync(join(folder, "cosignatures.jsonl"), "utf8")).not.toContain("hush");
    const [kept] = readCosigned(folder, readFileSync(join(folder, "ledger.vkey"), "utf8"));
    expect(kept?.note.match(/^— \S+/gm)).toEqual([expect.stringContaining("— callgate/log_"), "— somebody"]);
  });
});

it.each(["ftp://x", "file:", "command: ", "somewhere", ""])("`%s` is not an anchor", async (to) => {
  const folder = dataFolder();
  await expect(openLedger({ folder, anchors: [{ to }] })).rejects.toMatchObject({ code: "ANCHOR_INVALID" });
  expect(existsSync(folder)).toBe(false);
});
