import { CallgateError, canonicalJson, isObject, type LedgerRecord, parseJson, type ToolFacts } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { type LedgerReader, parseQuery, type ShownRecord } from "@callgate/ledger";
import { callsOf, type IncidentCall } from "../incident/calls.ts";
import { toolName } from "../render/records.ts";

/** How a run ended, as far as the record says. */
export type RunEnd =
  | { readonly value: unknown }
  | { readonly error: { readonly code: string; readonly message: string } }
  | { readonly unknown: string };

/** A script that an agent ran, as the ledger has it. */
export interface RecordedRun {
  readonly intent: LedgerRecord;
  /** The call itself, with what was decided of it. */
  readonly call: IncidentCall;
  readonly code: string;
  readonly input: unknown;
  /** Lower ceilings that the call asked for. */
  readonly budgets: Readonly<Record<string, number>>;
  /** Absent in records of brokers that did not write it down, and of runs that have no end. */
  readonly seed: number | undefined;
  /** Unix milliseconds: where the clock stood, or else when the run started. */
  readonly now: number;
  readonly frozen: boolean;
  readonly end: RunEnd;
  /** The calls that it made, oldest first. */
  readonly made: readonly IncidentCall[];
  /** The calls of the runs that it took up, oldest first. */
  readonly before: readonly IncidentCall[];
  /** The agent and its scopes at that time, where they were kept. */
  readonly principal: { readonly agent: string; readonly roles: readonly string[]; readonly scopes: readonly string[] };
}

const RUN_CODE = "callgate__run_code";
const LIST = "`callgate ledger query tool:callgate__run_code --json` names the calls that ran scripts";

/** Reads a run of a script. Throws `NO_RECORD`, `NOT_A_SCRIPT`, `NOT_RUN`, `SHREDDED` or `NOT_KEPT`. */
export function recordedRun(reader: LedgerReader, call: string, tools: ReadonlyMap<string, ToolFacts>): RecordedRun {
  const records = reader.query({ call, order: "asc", limit: 1000 });
  if (records.length === 0)
    throw new CallgateError("NO_RECORD", `there is no call \`${printable(call)}\``, { help: LIST });
  const intent = ranHere(reader, call, records);
  const shown = reader.show(intent.seq) as ShownRecord;
  const args = argumentsOf(shown, call);
  const outcome = records.find(({ kind }) => kind === "outcome");
  const run = isObject(outcome?.detail?.["run"]) ? outcome.detail["run"] : {};
  const [seed, started] = [args["seed"] ?? run["seed"], Date.parse(intent.ts)];
  const frozen = typeof args["now"] === "number";
  const [own] = callsOf(reader, records, tools);
  const earlier = typeof args["resume"] === "string" ? runsBefore(reader, intent, args) : [];
  return {
    intent,
    call: own as IncidentCall,
    code: args["code"],
    input: args["input"] ?? null,
    budgets: numbersOf(args["budgets"]),
    seed: typeof seed === "number" ? seed : undefined,
    now: frozen ? Number(args["now"]) : typeof run["now"] === "number" ? run["now"] : started,
    frozen,
    end: endOf(reader, outcome),
    made: childrenOf(reader, intent, outcome, tools),
    before: earlier.flatMap((one) => childrenOf(reader, one.intent, one.outcome, tools)),
    principal: principalOf(shown.payloads["facts"], intent),
  };
}

/** The intent of a call that ran a script. */
function ranHere(reader: LedgerReader, call: string, records: readonly LedgerRecord[]): LedgerRecord {
  const first = records[0] as LedgerRecord;
  const tool = records.map(toolName).find((name) => name !== "-") ?? "-";
  if (tool !== RUN_CODE) {
    const parent = first.parent === undefined ? undefined : reader.query({ call: first.parent, limit: 1 })[0];
    throw new CallgateError(
      "NOT_A_SCRIPT",
      `\`${printable(call)}\` is a call of \`${printable(tool)}\`, and ran no script`,
      {
        help:
          parent && toolName(parent) === RUN_CODE ? `the script that made it is the call \`${first.parent}\`` : LIST,
      },
    );
  }
  const intent = records.find(({ kind }) => kind === "intent");
  if (intent) return intent;
  const denial = records.find(({ kind }) => kind === "denial");
  throw new CallgateError(
    "NOT_RUN",
    `the script of \`${printable(call)}\` did not run${denial?.error ? `: ${denial.error.code}: ${denial.error.message}` : ""}`,
    {
      help: `\`callgate ledger show ${(denial ?? first).seq}\` shows it; \`callgate code plan\` reads a script without a record`,
    },
  );
}

/** What was sent to `run_code`. */
function argumentsOf({ record, payloads, shredded }: ShownRecord, call: string): JsonOf & { readonly code: string } {
  const text = payloads["args"];
  if (text === undefined) {
    const gone = shredded.includes("args");
    throw new CallgateError(
      gone ? "SHREDDED" : "NOT_KEPT",
      gone
        ? `the session of \`${printable(call)}\` was shredded: its script, and what its calls gave, can be read by nobody`
        : `the script of \`${printable(call)}\` was not kept`,
      {
        help: `\`callgate ledger tree --call ${printable(call)}\` shows which calls it made, without what was in them`,
      },
    );
  }
  const args = jsonIn(text);
  if (!isObject(args) || typeof args["code"] !== "string")
    throw new CallgateError("NOT_KEPT", `the script of \`${printable(call)}\` was not kept as it was sent`, {
      help: "something in it was redacted, by a policy or by `record.redact`",
    });
  if (args["dryRun"] === true)
    throw new CallgateError("NOT_RUN", `\`${printable(call)}\` was a dry run: its calls were not made`, {
      help: `\`callgate ledger show ${record.seq}\` shows the script; its calls and their verdicts are in the result`,
    });
  return args as JsonOf & { readonly code: string };
}

type JsonOf = Readonly<Record<string, unknown>>;

interface EarlierRun {
  readonly intent: LedgerRecord;
  readonly outcome: LedgerRecord | undefined;
}

/** The runs of the same script that a run goes on from: the first, which is its parent, and those that went on from it before. */
function runsBefore(reader: LedgerReader, { parent, seq, session }: LedgerRecord, args: JsonOf): EarlierRun[] {
  if (parent === undefined || session === undefined) return [];
  const own = reader.query({ call: parent, order: "asc", limit: 1000 });
  const first = own.find(({ kind }) => kind === "intent");
  const end = own.find(({ kind }) => kind === "outcome");
  if (!first || !end || toolName(first) !== RUN_CODE) return [];
  // What the first run started itself stands before its end.
  const later = reader.records({ session, kind: ["intent"], after: end.seq, before: seq, order: "asc", limit: 1000 });
  const runs = [first, ...[...later].filter((record) => record.parent === parent && toolName(record) === RUN_CODE)];
  return runs
    .filter((record) => isSameScript(jsonIn(reader.show(record.seq)?.payloads["args"] ?? ""), args))
    .map((intent) => ({
      intent,
      outcome: reader.query({ call: intent.call as string, kind: ["outcome"], limit: 1 })[0],
    }));
}

function isSameScript(one: unknown, { code, input }: JsonOf): boolean {
  return isObject(one) && one["code"] === code && canonicalJson(one["input"] ?? null) === canonicalJson(input ?? null);
}

/** The calls that a run made. One that was under way when the run ended may stand behind its end. */
function childrenOf(
  reader: LedgerReader,
  { call, seq, session }: LedgerRecord,
  outcome: LedgerRecord | undefined,
  tools: ReadonlyMap<string, ToolFacts>,
): readonly IncidentCall[] {
  if (call === undefined || session === undefined) return [];
  const parsed = parseQuery(`parent:${call}`);
  const terms = parsed.ok ? parsed.query.terms : [];
  const calls = new Set<string>();
  for (const record of reader.records({ session, terms, after: seq, order: "asc", limit: 1000 })) {
    // A run that goes on from this one has it as its parent too.
    const isLater = outcome !== undefined && record.seq > outcome.seq && toolName(record) === RUN_CODE;
    if (record.parent === call && record.call !== undefined && !isLater) calls.add(record.call);
  }
  return [...calls].flatMap((child) =>
    callsOf(reader, reader.query({ call: child, order: "asc", limit: 1000 }), tools),
  );
}

function endOf(reader: LedgerReader, outcome: LedgerRecord | undefined): RunEnd {
  if (!outcome) return { unknown: "the record has no end of it" };
  const result = jsonIn(reader.show(outcome.seq)?.payloads["result"] ?? "");
  const body = isObject(result) ? result["structuredContent"] : undefined;
  if (isObject(body) && Object.hasOwn(body, "value")) return { value: body["value"] };
  if (isObject(body) && isObject(body["error"])) {
    const { code, message } = body["error"];
    return { error: { code: String(code), message: String(message) } };
  }
  if (outcome.error)
    return { unknown: `what came of it was not kept: ${outcome.error.code}: ${outcome.error.message}` };
  return { unknown: "what came of it was not kept" };
}

function principalOf(facts: string | undefined, { agent = "" }: LedgerRecord): RecordedRun["principal"] {
  const kept = jsonIn(facts ?? "");
  const told = isObject(kept) && isObject(kept["principal"]) ? kept["principal"] : {};
  return { agent, roles: textsIn(told["roles"]), scopes: textsIn(told["scopes"]) };
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

function numbersOf(value: unknown): Record<string, number> {
  const entries = isObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}

function jsonIn(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
