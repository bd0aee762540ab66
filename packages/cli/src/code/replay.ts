import { canonicalJson, parseJson, type ToolFacts } from "@callgate/core";
import { type Config, scriptBudgets, toolsForCode } from "@callgate/gateway";
import { type GuestCall, openSandbox, type RunResult, type StudiedScript } from "@callgate/sandbox";
import type { IncidentCall } from "../incident/calls.ts";
import { decideAgain, type Said, saidThen } from "../incident/counterfactual.ts";
import type { Today } from "../incident/incident.ts";
import { type Answered, RecordedAnswers } from "./recorded-answers.ts";
import type { RecordedRun, RunEnd } from "./recorded-run.ts";

/** What was, or is, decided of a call; or why that cannot be said. */
export type Decided = Said | { readonly refusedBy: string } | { readonly unknown: string };

/** One call of a replay. */
export interface ReplayedCall {
  readonly tool: string;
  readonly args: unknown;
  readonly then: Decided;
  readonly now: Decided;
  /** The recorded call that answered it: the record with its arguments. */
  readonly from?: { readonly call: string; readonly seq: number };
  /** Why it was answered with `NOT_RECORDED`. */
  readonly lacks?: string;
}

/** A recorded call that the script did not make this time. */
export interface LeftCall {
  readonly call: string;
  readonly seq: number;
  readonly tool: string;
  /** As JSON text; undefined where it was not kept. */
  readonly args: string | undefined;
  /** Of a run that the recorded one took up. */
  readonly earlier: boolean;
  readonly lacks?: string;
}

/** What a script did on the record. */
export interface Replay {
  /** What was decided of the script itself. */
  readonly script: { readonly then: Decided; readonly now: Decided };
  readonly calls: readonly ReplayedCall[];
  readonly left: readonly LeftCall[];
  readonly logs: readonly string[];
  readonly recorded: RunEnd;
  readonly end: RunEnd;
  readonly same: {
    /** Undefined where the record does not say what came of the run. */
    readonly value: boolean | undefined;
    /** Whether every call was on record, and every recorded call was made. */
    readonly calls: boolean;
  };
}

/**
 * Runs a script in the sandbox and answers its calls from the record. MUST NOT make a call of a tool. Rejects with `SANDBOX_LAYER` or
 * `SANDBOX_START`.
 */
export async function replayRun(
  run: RecordedRun,
  script: StudiedScript,
  today: Today,
  config: Config | undefined,
): Promise<Replay> {
  const answers = new RecordedAnswers(run);
  const tools = new Map(today.tools.map((tool) => [tool.qualified, tool]));
  const asked: { readonly call: GuestCall; readonly answered: Answered }[] = [];
  const logs: string[] = [];
  const sandbox = await openSandbox({ workers: 1, maxWorkers: 1, require: config?.sandbox.require ?? DEFAULT_LAYERS });
  try {
    const result = await sandbox.run({
      kind: "script",
      code: script.code,
      input: run.input,
      tools: namesFor(run, script, today, config),
      budgets: scriptBudgets(config?.code, run.budgets),
      ...(run.seed !== undefined && { seed: run.seed }),
      now: run.now,
      onCall: async (call, signal) => {
        const answered = answers.take(call);
        asked.push({ call, answered });
        if ("end" in answered.answer) await quiet(() => asked.length, signal);
        return answered.answer;
      },
      onLog: ({ text }) => void logs.push(text),
    });
    const decided = decidedOf([run.call, ...run.before, ...run.made], today, tools);
    const calls = asked.map(({ call, answered }) => replayed(call, answered, decided));
    const left = answers.left.map(leftCall);
    const end = endOf(result);
    return {
      script: decided(run.call),
      calls,
      left,
      logs,
      recorded: run.end,
      end,
      same: {
        value: isSameEnd(run.end, end),
        calls: calls.every(({ lacks }) => lacks === undefined) && left.every(({ earlier }) => earlier),
      },
    };
  } finally {
    await sandbox.close();
  }
}

const DEFAULT_LAYERS = ["isolate", "process"] as const;
/** How long a script that is to be ended makes no further call before it is, in milliseconds. */
const QUIET_MS = 200;

/** Waits until the script asks for nothing more. What ended a run ended it while its other calls were made. */
async function quiet(count: () => number, signal: AbortSignal): Promise<void> {
  for (let seen = -1; seen !== count() && !signal.aborted; ) {
    seen = count();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

/**
 * The tools that the script sees: those that today's configuration lets it call with the scopes of then, and those that it called.
 * Without a configuration, those that stand in its text.
 */
function namesFor(
  { principal, made, before }: RecordedRun,
  { plan }: StudiedScript,
  today: Today,
  config: Config | undefined,
): Record<string, string[]> {
  const names = new Map<string, Set<string>>();
  const add = (server: string, name: string): void => {
    names.set(server, (names.get(server) ?? new Set()).add(name));
  };
  if (config) {
    const seen = today.tools.filter((tool) => isSeen(tool, principal, today));
    for (const { server, name } of toolsForCode(seen, config.code?.tools ?? ["*"])) add(server, name);
  } else for (const { server, name } of plan.calls) add(server, name);
  for (const { decided } of [...before, ...made])
    if (decided?.tool && decided.tool.server !== "") add(decided.tool.server, decided.tool.name);
  return Object.fromEntries([...names].map(([server, own]) => [server, [...own]]));
}

function isSeen(tool: ToolFacts, principal: RecordedRun["principal"], today: Today): boolean {
  if (tool.operation !== "tools/call" || !tool.scopes.every((scope) => principal.scopes.includes(scope))) return false;
  return !("set" in today) || today.set.mayList(principal, tool);
}

/** What was decided of calls then, and what today's policies make of them on the facts of then. */
function decidedOf(
  calls: readonly IncidentCall[],
  today: Today,
  tools: ReadonlyMap<string, ToolFacts>,
): (call: IncidentCall) => { readonly then: Decided; readonly now: Decided } {
  const again = "set" in today ? decideAgain(calls, today.set, tools) : undefined;
  const now = new Map<number, Decided>();
  if (again?.available) {
    for (const { seq, now: said } of again.decided) now.set(seq, said);
    for (const { seq, rule } of again.refused) now.set(seq, { unknown: `the broker itself refused it, by ${rule}` });
    for (const { seq, reason } of again.unreplayable) now.set(seq, { unknown: reason });
  }
  const missing: Decided = { unknown: "set" in today ? "the record has no decision" : today.missing };
  return (call) => {
    const { decided } = call;
    return {
      then: decided ? saidThen(call, decided) : { unknown: "the record has no decision" },
      now: (decided && now.get(decided.seq)) ?? missing,
    };
  };
}

function replayed(
  { server, name, args }: GuestCall,
  { from, lacks }: Answered,
  decided: ReturnType<typeof decidedOf>,
): ReplayedCall {
  const unknown = { unknown: lacks ?? "a call without an object of arguments is refused unrecorded" };
  return {
    tool: `${server}__${name}`,
    args,
    ...(from ? decided(from) : { then: unknown, now: unknown }),
    ...(from && { from: { call: from.call, seq: seqOf(from) } }),
    ...(lacks !== undefined && { lacks }),
  };
}

function leftCall({ call, earlier, lacks }: RecordedAnswers["left"][number]): LeftCall {
  return {
    call: call.call,
    seq: seqOf(call),
    tool: call.tool,
    args: call.payloads["args"],
    earlier,
    ...(lacks !== undefined && { lacks }),
  };
}

function seqOf({ decided, records }: IncidentCall): number {
  return decided?.seq ?? records[0]?.seq ?? 0;
}

function endOf(result: RunResult): RunEnd {
  if (result.ok) return { value: parseJson(result.value) };
  const { code, message } = result.error;
  return { error: { code, message } };
}

/** Errors whose message is the script's own; those of the sandbox have figures in theirs. */
const OWN = new Set(["GUEST_ERROR", "POLICY_DENIED"]);

function isSameEnd(recorded: RunEnd, now: RunEnd): boolean | undefined {
  if ("unknown" in recorded) return undefined;
  if ("value" in recorded) return "value" in now && canonicalJson(recorded.value) === canonicalJson(now.value);
  if (!("error" in now) || now.error.code !== recorded.error.code) return false;
  return !OWN.has(now.error.code) || now.error.message === recorded.error.message;
}
