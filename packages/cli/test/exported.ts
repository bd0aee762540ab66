import { readFile } from "node:fs/promises";
import { digestOf, type RecordDraft } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import { emptyFolder } from "./run.ts";

const TOOL = { server: "mail", name: "send", digest: digestOf("definition") } as const;
/** The trace that the story's first call came with. */
export const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

/** What the records of a call have in common. */
export const of = (call: string): Partial<RecordDraft> => ({
  agent: "bot",
  user: "ann",
  session: "ses_1",
  call,
  tool: TOOL,
});

/** Adds records to a data folder's ledger. */
export async function append(folder: string, drafts: readonly RecordDraft[]): Promise<void> {
  const ledger = await openLedger({ folder, sync: "off" });
  for (const draft of drafts) ledger.appendLater(draft);
  await ledger.close();
}

/** Records 2 to 8: a call, a denial, a call that another one caused and that failed, and one that has not ended. */
const STORY: readonly RecordDraft[] = [
  {
    kind: "intent",
    ...of("call_1"),
    trace: TRACE,
    decision: { verdict: "allow", rules: ["may-mail"], policies: "p" },
    payloads: { args: '{"to":"ann@example.com"}' },
  },
  { kind: "outcome", ...of("call_1"), trace: TRACE, status: "ok", ms: 5, payloads: { result: '{"sent":true}' } },
  {
    kind: "denial",
    ...of("call_2"),
    decision: { verdict: "deny", rules: ["no"], policies: "p" },
    error: { code: "no", message: "not now\n\u001b[2Jact=allow | forged" },
  },
  { kind: "intent", ...of("call_3"), decision: { verdict: "allow", rules: [], policies: "p" } },
  { kind: "intent", ...of("call_4"), parent: "call_3", decision: { verdict: "allow", rules: [], policies: "p" } },
  {
    kind: "outcome",
    ...of("call_4"),
    parent: "call_3",
    status: "timeout",
    ms: 30_000,
    error: { code: "callgate/timeout", message: "no answer in 30 s" },
  },
];

/** A data folder with the story in its ledger. */
export async function story(): Promise<string> {
  const folder = await emptyFolder();
  await append(folder, STORY);
  return folder;
}

/** The lines of a file. */
export const linesOf = async (file: string): Promise<string[]> => (await readFile(file, "utf8")).trimEnd().split("\n");
/** The seqs of the records in a file of JSON lines. */
export const seqsOf = async (file: string): Promise<number[]> =>
  (await linesOf(file)).map((line) => (JSON.parse(line) as { seq: number }).seq);
/** 1 to n. */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
