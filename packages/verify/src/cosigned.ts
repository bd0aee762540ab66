import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Findings } from "./finding.ts";
import { textOf } from "./key.ts";
import { type Checkpoint, COSIGNATURE, cosignedAt, ML_DSA, type NoteKey, openNote, parseNoteKey } from "./note.ts";

/**
 * A checkpoint that a witness signed, kept beside the ledger. It shows when somebody outside had seen which records; that no later ones
 * are gone only the witness itself can say.
 */
export interface CosignedReport {
  /** The witness, as the ledger's configuration names it. */
  readonly anchor: string;
  readonly size: number;
  /** Whether the ledger has these records. */
  readonly agrees: boolean;
  /** The key that signed, and when; absent where no key of the witness was given. */
  readonly by?: string;
  readonly at?: string;
}

export interface KeptCosigned {
  readonly anchor: string;
  readonly checkpoint: Checkpoint;
  /** Whether the log's own key signed it, as far as that is known. */
  readonly signed: boolean;
  readonly by: SignedBy;
}

/** The witness of a note: one of the keys that were given, somebody that none of them is, or somebody who passes for one of them. */
export type SignedBy = { readonly name: string; readonly at: string } | "unknown" | "wrong";

/** The keys of witnesses, as they were given: each a key, or a file that holds one. What is none is reported where witnesses are asked. */
export function witnessKeysOf(given: readonly string[] = []): readonly NoteKey[] {
  return given.flatMap((text) => parseNoteKey(textOf(text) ?? text, COSIGNATURE, ML_DSA) ?? []);
}

/** Which of the keys signed a note, beside its log. */
export function signerOf(note: string, origin: string, keys: readonly NoteKey[]): SignedBy {
  const lines = note.slice(note.indexOf("\n\n") + 2);
  for (const key of keys) {
    // A witness is somebody else than the log, which signs under its own name.
    const at = key.name === origin ? undefined : cosignedAt(note, lines, key);
    if (at !== undefined) return at === "wrong" ? at : { name: key.name, at: new Date(at * 1000).toISOString() };
  }
  return "unknown";
}

/** Reads what is kept beside a ledger. What is no checkpoint of the log is passed over, and said to be. */
export function readCosigned(
  ledger: string,
  origin: string,
  key: NoteKey | undefined,
  keys: readonly NoteKey[],
  unchecked: string[],
): readonly KeptCosigned[] {
  const path = join(dirname(ledger), "cosignatures.jsonl");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  let skipped = 0;
  const kept = text.split("\n").flatMap((line): KeptCosigned[] => {
    if (line === "") return [];
    const { anchor, note } = parsed(line);
    const opened = note === undefined ? undefined : openNote(note, key);
    if (note === undefined || opened === undefined || "problem" in opened || opened.checkpoint.origin !== origin) {
      skipped++;
      return [];
    }
    const signed = key === undefined || opened.signed === "yes";
    return [{ anchor: anchor ?? "?", checkpoint: opened.checkpoint, signed, by: signerOf(note, origin, keys) }];
  });
  if (skipped > 0) unchecked.push(`${skipped} lines of \`cosignatures.jsonl\`: they are no checkpoints of this log`);
  return kept;
}

/** Holds what witnesses signed against the log. */
export function judgeCosigned(
  kept: readonly KeptCosigned[],
  log: { readonly records: number; readonly size: number; readonly roots: ReadonlyMap<number, Buffer> },
  findings: Findings,
  unchecked: string[],
): readonly CosignedReport[] {
  return kept.map(({ anchor, checkpoint: { size, root }, signed, by }) => {
    const agrees = signed && log.roots.get(size)?.equals(root) === true;
    // Anybody can write to the file, also a witness whose key nobody knows: what is not signed as it says tells nothing of the log.
    if (!signed || by === "wrong") {
      const whose = signed ? "the witness" : "the log";
      unchecked.push(
        `what \`${anchor}\` signed for ${size} records: it has a signature beside the ledger that is not that of ${whose}`,
      );
    } else if (size > log.records) {
      const problem = `the witness \`${anchor}\` signed for ${size} records and the ledger has ${log.records}: the end is gone`;
      findings.add("completeness", "cosigned-short", problem, log.records + 1, size);
    } else if (!agrees && size <= log.size) {
      const problem = `the records 1 to ${size} are not those that the witness \`${anchor}\` signed for`;
      findings.add("integrity", "cosigned-root", problem, 1, size);
    }
    if (signed && by === "unknown")
      unchecked.push(`who signed for \`${anchor}\` what is kept beside the ledger: give its key with --witness-vkey`);
    return {
      anchor,
      size,
      agrees: agrees && by !== "wrong",
      ...(typeof by === "object" && { by: by.name, at: by.at }),
    };
  });
}

function parsed(line: string): { readonly anchor?: string; readonly note?: string } {
  try {
    const { anchor, note } = (JSON.parse(line) ?? {}) as { anchor?: unknown; note?: unknown };
    return { ...(typeof anchor === "string" && { anchor }), ...(typeof note === "string" && { note }) };
  } catch {
    return {};
  }
}
