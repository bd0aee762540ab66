import { readFileSync } from "node:fs";
import { isCanonical } from "./canonical.ts";
import { type Finding, Findings } from "./finding.ts";
import { checkGivenSecond } from "./key.ts";
import { leafHash } from "./merkle.ts";
import { openNote, parseNoteKey } from "./note.ts";
import { includes } from "./proof.ts";
import { VERDICTS, type Verdict, verdictOf } from "./report.ts";

/** What was found of a proof that a record is in a log. The shape is stable: `v` changes with it. */
export interface ProofReport {
  readonly v: 1;
  readonly verdict: Verdict;
  /** 0 clean, 1 tampered, 3 unreadable. */
  readonly exitCode: number;
  readonly log?: string;
  /** The record, and its leaf as the proof carries it. To be believed only if the verdict is `clean`. */
  readonly seq?: number;
  readonly leaf?: string;
  /** The tree that the proof leads to. */
  readonly head?: { readonly size: number; readonly root: string };
  readonly findings: readonly Finding[];
}

export interface ProofOptions {
  /** A file (C2SP tlog-proof) whose extra data are the leaf. */
  readonly proof: string;
  /** The log's verifier key, or a file that holds it. A proof says nothing without one. */
  readonly vkey: string;
  /** Its verifier key of ML-DSA-44, or a file that holds it: the checkpoint MUST be signed by that too. */
  readonly secondVkey?: string;
}

/** Checks that a record is in a log, with nothing but the proof and the key. What is wrong with it is in the report. */
export function verifyProof(options: ProofOptions): ProofReport {
  const findings = new Findings();
  const done = (more: Partial<ProofReport> = {}): ProofReport => {
    const verdict = verdictOf(findings.list);
    return { v: 1, verdict, exitCode: VERDICTS.indexOf(verdict), findings: findings.list, ...more };
  };
  const key = parseNoteKey(textOf(options.vkey)?.trim() ?? options.vkey);
  const text = textOf(options.proof);
  if (key === undefined) findings.add("unreadable", "key", "the given key is not a verifier key");
  if (text === undefined) findings.add("unreadable", "proof-form", "the proof cannot be read");
  if (key === undefined || text === undefined) return done();

  const parts = partsOf(text);
  if (parts === undefined) {
    findings.add("unreadable", "proof-form", "it is not a proof that carries its record");
    return done();
  }
  const { leaf, index, hashes, note } = parts;
  const opened = openNote(note, key);
  if ("problem" in opened) {
    findings.add("integrity", "checkpoint-form", `the checkpoint: ${opened.problem}`);
    return done();
  }
  const { size, root, origin } = opened.checkpoint;
  const seq = index + 1;
  const report = (code: string, problem: string): void => findings.add("integrity", code, problem, seq);
  if (opened.signed !== "yes")
    report("checkpoint-signature", `the checkpoint is not signed by the key of \`${key.name}\``);
  if (options.secondVkey !== undefined) checkGivenSecond(note, options.secondVkey, findings, seq);
  if (origin !== key.name) report("log", `the checkpoint is one of \`${origin}\``);
  if (!includes(index, size, Buffer.from(leafHash(leaf), "hex"), hashes, root))
    report("inclusion", "the proof does not show that the checkpoint's tree has this leaf here");
  checkLeaf(leaf, seq, origin, report);
  return done({
    seq,
    leaf,
    log: origin.replace(/^callgate\//, ""),
    head: { size, root: root.toString("base64") },
  });
}

function checkLeaf(text: string, seq: number, origin: string, report: (code: string, problem: string) => void): void {
  try {
    const leaf = JSON.parse(text) as { readonly seq?: unknown; readonly log?: unknown } | null;
    if (!isCanonical(leaf, text)) report("leaf-form", "the leaf is not canonical JSON");
    if (leaf?.seq !== seq) report("order", `the leaf says that it is record ${String(leaf?.seq)}`);
    if (`callgate/${String(leaf?.log)}` !== origin) report("log", "the leaf belongs to another log");
  } catch {
    report("leaf-form", "the leaf is not JSON");
  }
}

interface Parts {
  readonly leaf: string;
  readonly index: number;
  readonly hashes: readonly Buffer[];
  readonly note: string;
}

function partsOf(text: string): Parts | undefined {
  const cut = text.indexOf("\n\n");
  const [version, extra, index, ...path] = text.slice(0, Math.max(cut, 0)).split("\n");
  if (version !== "c2sp.org/tlog-proof@v1") return undefined;
  const leaf = decoded(/^extra (\S+)$/.exec(extra ?? "")?.[1]);
  const at = /^index (0|[1-9]\d{0,14})$/.exec(index ?? "")?.[1];
  const hashes = path.map(decoded);
  if (leaf === undefined || at === undefined || !hashes.every((hash) => hash?.length === 32)) return undefined;
  return { leaf: leaf.toString(), index: Number(at), hashes: hashes as Buffer[], note: text.slice(cut + 2) };
}

/** Standard base64 with padding; undefined for any other way to write the same bytes. */
function decoded(base64: string | undefined): Buffer | undefined {
  const bytes = Buffer.from(base64 ?? "", "base64");
  return base64 !== undefined && bytes.toString("base64") === base64 ? bytes : undefined;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** A report on a proof for a person. */
export function renderProofReport({ verdict, findings, seq, log, leaf, head }: ProofReport): string {
  const lines = [
    ...(seq === undefined ? [] : [`record    ${seq} of log ${log}`]),
    ...(head === undefined ? [] : [`head      ${head.size} ${head.root}`]),
    ...(leaf === undefined || verdict !== "clean" ? [] : [`leaf      ${leaf}`]),
    ...findings.map(({ problem }) => `          ${problem}`),
    verdict === "clean" ? "clean: the record is in the log" : `${verdict.toUpperCase()}: ${findings[0]?.problem ?? ""}`,
  ];
  return lines
    .map((line) => line.replaceAll(/\p{C}|[\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`))
    .join("\n");
}
