import {
  EFFECTS,
  type FlowFacts,
  isObject,
  LABELS,
  type Label,
  type LedgerRecord,
  type ToolEffect,
  type ToolFacts,
} from "@callgate/core";
import type { LedgerReader } from "@callgate/ledger";
import { toolName } from "../render/records.ts";

/** A session's records are read up to this many. */
const MAX_RECORDS = 20_000;
const PAGE = 1000;

/** What became of a call: it ran, the policies or the broker denied it, or it was held and nobody approved it. */
export type Ending = "ran" | "denied" | "held";

/** One call of a session, with what was kept of it. */
export interface IncidentCall {
  readonly call: string;
  readonly parent: string | undefined;
  /** As policies name it. */
  readonly tool: string;
  /** Oldest first; never empty. */
  readonly records: readonly LedgerRecord[];
  /** The intent or the denial: the record that has its arguments. Absent for a call that waits for a person. */
  readonly decided: LedgerRecord | undefined;
  readonly outcome: LedgerRecord | undefined;
  readonly ending: Ending;
  /** Payloads of `decided`, and the result; a text that was not kept, or was shredded, is absent. */
  readonly payloads: Readonly<Record<string, string>>;
  readonly result: string | undefined;
  /** The tool's, as the policies saw them then, else as the manifest has them now. */
  readonly labels: readonly Label[];
  readonly effects: readonly ToolEffect[];
  /** Labels that the session had before the call, where the record says. */
  readonly sessionLabels: readonly Label[] | undefined;
  readonly flow: FlowFacts | undefined;
  readonly args: unknown;
}

/** The calls of some records in the order of their first ones. */
export interface Gathered {
  readonly records: readonly LedgerRecord[];
  readonly calls: readonly IncidentCall[];
  /** True if the session has more records than are looked at. */
  readonly truncated: boolean;
}

/** Everything that the ledger has of a session. `tools` stand in for what the records do not say of a tool. */
export function gather(reader: LedgerReader, session: string, tools: ReadonlyMap<string, ToolFacts>): Gathered {
  const records: LedgerRecord[] = [];
  while (records.length < MAX_RECORDS) {
    const page = reader.query({ session, order: "asc", limit: PAGE, after: records.at(-1)?.seq ?? 0 });
    records.push(...page);
    if (page.length < PAGE) return { records, calls: callsOf(reader, records, tools), truncated: false };
  }
  const truncated = reader.query({ session, order: "asc", limit: 1, after: records.at(-1)?.seq ?? 0 }).length > 0;
  return { records, calls: callsOf(reader, records, tools), truncated };
}

/** The calls of records that stand in the ledger, oldest first. */
export function callsOf(
  reader: LedgerReader,
  records: readonly LedgerRecord[],
  tools: ReadonlyMap<string, ToolFacts>,
): IncidentCall[] {
  const grouped = new Map<string, LedgerRecord[]>();
  for (const record of records) {
    if (record.call === undefined) continue;
    const call = grouped.get(record.call);
    if (call) call.push(record);
    else grouped.set(record.call, [record]);
  }
  return [...grouped].map(([call, of]) => callOf(reader, call, of, tools));
}

function callOf(
  reader: LedgerReader,
  call: string,
  records: readonly LedgerRecord[],
  tools: ReadonlyMap<string, ToolFacts>,
): IncidentCall {
  const intent = records.find((record) => record.kind === "intent");
  const decided = intent ?? records.find((record) => record.kind === "denial");
  const outcome = records.find((record) => record.kind === "outcome");
  const payloads = decided ? (reader.show(decided.seq)?.payloads ?? {}) : {};
  const result = outcome?.result === undefined ? undefined : reader.show(outcome.seq)?.payloads["result"];
  const facts = jsonOf(payloads["facts"]);
  const named = records.find((record) => record.tool);
  const tool = named ? toolName(named) : "-";
  const kept = isObject(facts) && isObject(facts["tool"]) ? facts["tool"] : undefined;
  const session = isObject(facts) && isObject(facts["session"]) ? facts["session"] : undefined;
  const known = tools.get(tool);
  return {
    call,
    parent: records.find((record) => record.parent !== undefined)?.parent,
    tool,
    records,
    decided,
    outcome,
    ending: intent ? "ran" : records.some((record) => record.kind === "approval") ? "held" : "denied",
    payloads,
    result,
    labels: among(LABELS, kept?.["labels"]) ?? known?.labels ?? [],
    effects: among(EFFECTS, kept?.["effects"]) ?? known?.effects ?? [],
    sessionLabels: among(LABELS, session?.["labels"]),
    flow: flowOf(isObject(facts) ? facts["flow"] : undefined),
    args: jsonOf(payloads["args"]),
  };
}

/** The value of a JSON text; undefined for none and for what is no JSON. */
export function jsonOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function among<T extends string>(known: readonly T[], given: unknown): T[] | undefined {
  return Array.isArray(given) ? known.filter((one) => given.includes(one)) : undefined;
}

function flowOf(value: unknown): FlowFacts | undefined {
  if (!isObject(value)) return undefined;
  const [origins, inside] = [listsOf(value["origins"]), listsOf(value["inside"])];
  const { action } = value;
  if (!origins || !inside || (action !== "task" && action !== "untrusted" && action !== "model")) return undefined;
  return { origins, inside, action };
}

function listsOf(value: unknown): Record<string, readonly string[]> | undefined {
  if (!isObject(value)) return undefined;
  const lists = Object.entries(value).map(([key, list]): [string, string[]] => [
    key,
    Array.isArray(list) ? list.filter((one): one is string => typeof one === "string") : [],
  ]);
  return Object.fromEntries(lists);
}
