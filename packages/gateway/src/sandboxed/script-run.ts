import { type Digest, digestOfJson, parseJson } from "@callgate/core";
import type { GuestAnswer, GuestCall, RunError } from "@callgate/sandbox";
import type { CodeConfig, RunBudgets } from "../config/index.ts";
import type { Life } from "../steps/life.ts";
import type { GuestEnd } from "../steps/run.ts";
import { UpstreamFailure } from "../upstream/peer.ts";
import { callableTools, namesByServer } from "./catalogue.ts";
import { dryCall, type PreviewedCall } from "./dry-run.ts";
import { GuestRun } from "./guest-run.ts";
import { innerCall, previewInner } from "./inner-call.ts";
import { type Held, Journal } from "./journal.ts";
import type { SandboxPool } from "./pool.ts";
import { budgetsFor, endOf, runGuest, usageOf } from "./run-guest.ts";

/** The arguments of `run_code`, once they fit its schema. */
export interface ScriptArguments {
  readonly code: string;
  readonly input?: unknown;
  readonly budgets?: Partial<RunBudgets>;
  readonly seed?: number;
  readonly now?: number;
  readonly dryRun?: boolean;
  readonly stubs?: Readonly<Record<string, unknown>>;
  readonly resume?: string;
}

/** What a script gives, for the agent and for the record. */
export interface ScriptEnd {
  readonly body: Record<string, unknown>;
  readonly guest: GuestEnd;
}

/** The longest value that a script may return, in characters: it is for a model to read. */
const MOST_RETURNED = 262_144;

/** Runs a script that was read and decided on. Rejects with `UpstreamFailure` where it cannot be run. */
export async function runScript(
  life: Life,
  args: ScriptArguments,
  { pool, held, code }: { readonly pool: SandboxPool; readonly held: Held; readonly code: CodeConfig },
): Promise<ScriptEnd> {
  const { gate, grant, session, script, approver, decision, exchange } = life;
  if (!script) throw new Error("a script that was not read");
  const { journal: earlier } = script;
  const taken = args.resume === undefined ? undefined : held.take(args.resume);
  if (args.resume !== undefined && !taken)
    throw new UpstreamFailure("unreachable", "the run was taken up already, or is too old by now");
  const approved = approver === undefined ? undefined : (earlier?.approved?.plan ?? script.plan);
  const run = new GuestRun({
    call: life.id,
    outer: exchange.within,
    budgets: budgetsFor(life, lowered(code.budgets, args.budgets)),
    resumable: args.dryRun !== true,
    approved,
    literals: [...script.literals, ...textsIn(args.input)],
    given: session.state.watch?.marksOf({ code: args.code, input: args.input }) ?? [],
  });
  // Nothing comes into a dry run.
  if (!args.dryRun) life.guest = run;
  if (earlier) {
    run.took(earlier.seen);
    run.spend(earlier.spent);
  }
  // Chance goes on as it was: with another seed the same script would ask for other calls.
  const seed = earlier?.seed ?? args.seed ?? Math.floor(Math.random() * 2 ** 32);
  // The clock stands still, so that a run that is taken up asks for the same calls again.
  const now = earlier?.now ?? args.now ?? life.began;
  const journal = new Journal({ call: earlier?.call ?? life.id, script: digestOfScript(args), seed, now });
  if (approver !== undefined && decision)
    journal.approved = { by: approver, policies: decision.policies, plan: approved ?? script.plan };

  const replay = earlier?.replay();
  const previewed: PreviewedCall[] = [];
  const underWay = new Set<Promise<unknown>>();
  const make = async (call: GuestCall, signal: AbortSignal): Promise<GuestAnswer> => {
    const known = replay?.answer(call);
    // What was answered is not asked for again; what may not be asked for any more is not answered again.
    if (known && (await previewInner(life, run, call)) !== "deny") {
      journal.keep(call, known);
      return run.end ? { end: run.end } : known;
    }
    const takesUp = replay?.resume(call);
    const asked = takesUp === undefined ? call : { ...call, args: { ...(call.args as object), resume: takesUp } };
    const made = await innerCall(life, run, asked, signal);
    if (made.held) journal.keepHeld(call, made.held.resume);
    if (!signal.aborted) journal.keep(call, made.answer);
    return made.answer;
  };
  const onCall = async (call: GuestCall, signal: AbortSignal): Promise<GuestAnswer> => {
    if (args.dryRun) return await dryCall(life, run, args.stubs ?? {}, previewed, call);
    // A run that is about to be held asks for nothing more.
    if (run.end?.code === "HELD") return await new Promise(() => {});
    const making = make(call, signal);
    underWay.add(making);
    try {
      const answer = await making;
      underWay.delete(making);
      // The calls beside one that is held come to their ends first: whoever takes the run up must know of them.
      if ("end" in answer && answer.end.code === "HELD") await Promise.allSettled(underWay);
      return answer;
    } finally {
      underWay.delete(making);
    }
  };
  const notRun = (): void => {
    if (args.resume !== undefined && taken) held.giveBack(args.resume, taken);
  };
  const { result, logs } = await runGuest(life, pool, {
    kind: "script",
    code: script.code,
    input: args.input ?? null,
    tools: namesByServer(callableTools(gate, grant, code.tools)),
    seed,
    now,
    run,
    onCall,
  }).catch((error: unknown) => {
    notRun();
    throw error;
  });
  if (!result.ok && result.usage.calls === 0) notRun();
  const error: RunError | undefined = !result.ok
    ? result.error
    : result.value.length > MOST_RETURNED
      ? { code: "OUTPUT_LIMIT", message: `the script returned more than ${MOST_RETURNED} characters` }
      : undefined;
  let resume: string | undefined;
  if (error?.code === "HELD") {
    journal.close(run, replay);
    resume = held.keep(journal, session.id, gate.approvalTimes.ttl, exchange.within !== undefined);
    exchange.heldRun = { resume, reason: error.message };
  }
  const usage = usageOf(result, run);
  return {
    body: {
      ...(result.ok && !error && { value: parseJson(result.value) }),
      ...(error && { error }),
      logs,
      ...(args.dryRun && { calls: previewed }),
      ...(resume !== undefined && { resume }),
      usage,
    },
    guest: {
      ...(error && endOf(error, run)),
      // With the seed and the clock a run can be made again from the record.
      detail: {
        run: { ...usage, seed, now },
        ...(args.dryRun && { dryRun: true, denied: previewed.filter(({ verdict }) => verdict === "deny").length }),
        ...(resume !== undefined && { resume }),
      },
    },
  };
}

/** What a script is to a journal: the same text with the same input. */
export function digestOfScript({ code, input, dryRun, now }: ScriptArguments): Digest {
  return digestOfJson({ code, input: input ?? null, dryRun: dryRun === true, now: now ?? null });
}

/** An agent may ask for less than it is given. */
export function lowered(budgets: RunBudgets, asked: ScriptArguments["budgets"] = {}): RunBudgets {
  const less = Object.entries(asked).map(([name, value]) => [
    name,
    Math.min(Number(value), budgets[name as keyof RunBudgets] as number),
  ]);
  return { ...budgets, ...(Object.fromEntries(less) as Partial<RunBudgets>) };
}

/** The texts of a value, for telling what a script was given from what it read. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "number" || typeof value === "bigint") return [String(value)];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
