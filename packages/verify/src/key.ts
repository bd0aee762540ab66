import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Findings } from "./finding.ts";
import { ML_DSA, type NoteKey, openNote, parseNoteKey } from "./note.ts";

/** A key, and whether it came from whoever asked or from the folder that is checked. */
export interface FoundKey {
  readonly key: NoteKey;
  readonly from: "given" | "folder";
}

/**
 * The key that the log's checkpoints are to be checked with: the one that was given (a key, or a file that holds one), else
 * the ledger's own. Where several are there they MUST be one.
 */
export function findKey(
  file: string,
  given: string | undefined,
  inLedger: string | undefined,
  origin: string,
  findings: Findings,
): FoundKey | undefined {
  const read = (what: string, text: string | undefined): NoteKey | undefined => {
    if (text === undefined) return undefined;
    const key = parseNoteKey(text);
    if (key === undefined)
      findings.add(what === "given" ? "unreadable" : "integrity", "key", `the ${what} key is not a verifier key`);
    return key;
  };
  const own = read("ledger's", inLedger);
  const beside = read("folder's", textOf(join(dirname(file), "ledger.vkey")));
  if (inLedger === undefined) findings.add("integrity", "key", "the ledger does not say which key it is signed with");
  const key = read("given", given === undefined ? undefined : (textOf(given) ?? given));
  for (const [what, other] of [
    ["given", key],
    ["folder's", beside],
  ] as const) {
    if (other !== undefined && own !== undefined && other.text !== own.text)
      findings.add("integrity", "key", `the ${what} key is not the one that the ledger says it is signed with`);
  }
  if (given !== undefined) return key && { key, from: "given" };
  const found = own ?? beside;
  if (found !== undefined && found.name !== origin)
    findings.add("integrity", "key", `the ledger's key is one of \`${found.name}\``);
  return found && { key: found, from: "folder" };
}

/**
 * The ML-DSA-44 key that checkpoints are to be checked with beside the other: the one that was given, else the ledger's own. Undefined
 * where there is none: a ledger need not have one.
 */
export function findSecondKey(
  file: string,
  given: string | undefined,
  inLedger: string | undefined,
  findings: Findings,
): FoundKey | undefined {
  const read = (what: string, text: string | undefined): NoteKey | undefined => {
    const key = text === undefined ? undefined : parseNoteKey(text, ML_DSA);
    if (text !== undefined && key === undefined) {
      const problem = `the ${what} ML-DSA-44 key is not a verifier key of ML-DSA-44`;
      findings.add(what === "given" ? "unreadable" : "integrity", "key", problem);
    }
    return key;
  };
  const own = read("ledger's", inLedger);
  const beside = read("folder's", textOf(join(dirname(file), "ledger-ml-dsa-44.vkey")));
  const key = read("given", given === undefined ? undefined : (textOf(given) ?? given));
  for (const [what, other] of [
    ["given", key],
    ["folder's", beside],
  ] as const) {
    if (other !== undefined && other.text !== own?.text)
      findings.add("integrity", "key", `the ${what} ML-DSA-44 key is not one that the ledger says it is signed with`);
  }
  if (given !== undefined) return key && { key, from: "given" };
  return own && { key: own, from: "folder" };
}

/**
 * The newest checkpoint covers all records: that it is signed by a key that is known says so of all of them. A ledger names its key with
 * the first checkpoint that is signed by it: one of `signedTwice` there MUST be.
 */
export function checkSecondSignature(
  note: unknown,
  { key, from }: FoundKey,
  signedTwice: number,
  findings: Findings,
  unchecked: string[],
): void {
  if (from === "folder")
    unchecked.push("whose ML-DSA-44 key it is: it is from the ledger itself; give the one you know with --ml-dsa-vkey");
  const opened = typeof note === "string" ? openNote(note, undefined, key) : undefined;
  if (signedTwice === 0) {
    findings.add("integrity", "key", "no checkpoint is signed by the ML-DSA-44 key");
    return;
  }
  // What is no note, or is wrong, is found where all checkpoints are looked at.
  if (opened === undefined || "problem" in opened || opened.second !== "no") return;
  const problem = "the newest checkpoint is not signed by the ML-DSA-44 key";
  if (from === "given") findings.add("integrity", "checkpoint-signature", problem, opened.checkpoint.size);
  else unchecked.push(`ML-DSA-44 signatures of the newest records: ${problem}`);
}

/** Checks that an ML-DSA-44 key that was given, or a file that holds it, signed one checkpoint. */
export function checkGivenSecond(note: string, given: string, findings: Findings, seq?: number): void {
  const key = parseNoteKey(textOf(given) ?? given, ML_DSA);
  if (key === undefined) {
    findings.add("unreadable", "key", "the given ML-DSA-44 key is not a verifier key of ML-DSA-44");
    return;
  }
  const opened = openNote(note, undefined, key);
  if ("problem" in opened || opened.second === "yes") return;
  findings.add("integrity", "checkpoint-signature", "the checkpoint is not signed by the given ML-DSA-44 key", seq);
}

/** What a file holds; undefined if it cannot be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
