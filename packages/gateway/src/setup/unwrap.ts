import { join } from "node:path";
import { CallgateError } from "@callgate/core";
import { clientFolder, isWrapped, parseClientConfig } from "./client-config.ts";
import { writeAtomically } from "./files.ts";
import { applyEdits, type Edit } from "./jsonc.ts";
import { readClientFile, readRecord, writeRecord } from "./wrap-record.ts";
import { forgetSecrets } from "./wrapped-folder.ts";

/** What became of one entry. `left`: it is not what was written here any more. */
export interface UnwrappedEntry {
  readonly name: string;
  readonly state: "restored" | "left";
  readonly reason?: string;
  readonly folder: string;
}

export interface UnwrapReport {
  readonly file: string;
  readonly entries: readonly UnwrappedEntry[];
}

/**
 * Puts back the entries that were wrapped, character by character; what was added or changed elsewhere in the file since
 * stays. The ledgers stay, the copies of secrets go. Throws `NOTHING_TO_UNDO`, `CLIENT_CONFIG_INVALID`.
 */
export async function unwrapClient(
  path: string,
  options: { readonly home: string; readonly dryRun?: boolean },
): Promise<UnwrapReport> {
  const { file, text } = await readClientFile(path);
  const base = join(options.home, clientFolder(file));
  const record = await readRecord(base, file);
  const known = Object.entries(record.servers);
  if (known.length === 0) {
    throw new CallgateError("NOTHING_TO_UNDO", `nothing in \`${file}\` was wrapped from here`, {
      help: `its record would be in \`${base}\`: name the folder that it was wrapped with by \`--home\``,
    });
  }
  const config = parseClientConfig(file, text);
  const edits: Edit[] = [];
  const entries = known.map(([name, { original, folder }]): UnwrappedEntry => {
    const entry = config.entries.find((e) => e.name === name);
    const args = entry?.value["args"];
    const ours = entry && isWrapped(entry) && Array.isArray(args) && args.includes(join(folder, "callgate.yaml"));
    if (!ours)
      return {
        name,
        folder,
        state: "left",
        reason: entry ? "it was changed since and does not run behind callgate" : "it was removed since",
      };
    edits.push({ start: entry.node.start, end: entry.node.end, text: original });
    return { name, folder, state: "restored" };
  });
  if (options.dryRun === true) return { file, entries };
  await writeAtomically(file, applyEdits(text, edits), 0o600);
  await writeRecord(base, { ...record, servers: {} });
  await Promise.all(entries.map((entry) => forgetSecrets(entry.folder)));
  return { file, entries };
}
