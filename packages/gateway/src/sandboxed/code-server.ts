import {
  digestOfJson,
  isObject,
  messageOf,
  parseJson,
  type ScriptFacts,
  stringifyJson,
  type ToolEffect,
} from "@callgate/core";
import type { GuestAnswer, GuestCall, Plan, RunError, StudiedScript } from "@callgate/sandbox";
import type { CodeConfig, RunBudgets, ServedConfig } from "../config/index.ts";
import type { Registry } from "../registry.ts";
import type { Served } from "../served.ts";
import { type Life, type Refusal, refuse } from "../steps/life.ts";
import type { Ran } from "../steps/run.ts";
import type { Negotiated } from "../upstream/handshake.ts";
import type { Link } from "../upstream/link.ts";
import { UpstreamFailure } from "../upstream/peer.ts";
import { callableTools, describeTools, findTools, namesByServer } from "./catalogue.ts";
import { CODE_TOOLS, codeManifest } from "./code-tools.ts";
import { dryCall, type PreviewedCall } from "./dry-run.ts";
import { GuestRun } from "./guest-run.ts";
import { innerCall } from "./inner-call.ts";
import { Held, Journal } from "./journal.ts";
import type { SandboxPool } from "./pool.ts";
import { budgetsFor, recordedError, runGuest, usageOf } from "./run-guest.ts";

/** The arguments of `run_code`, once they fit its schema. */
interface ScriptArguments {
  readonly code: string;
  readonly input?: unknown;
  readonly budgets?: Partial<RunBudgets>;
  readonly seed?: number;
  readonly now?: number;
  readonly dryRun?: boolean;
  readonly stubs?: Readonly<Record<string, unknown>>;
  readonly resume?: string;
}

/** The longest result that is laid out for reading, in characters. */
const MOST_INDENTED = 16_384;
const TIMEOUT_MS = 24 * 60 * 60_000;

/** The broker's own tools: scripts of agents, and what helps to write them. */
export class CodeServer implements Served {
  config: ServedConfig;
  readonly definitions = CODE_TOOLS;
  readonly negotiated: Negotiated | undefined = undefined;
  #code: CodeConfig;
  readonly #pool: SandboxPool;
  readonly #held = new Held();

  constructor(code: CodeConfig, pool: SandboxPool) {
    this.#code = code;
    this.#pool = pool;
    this.config = configOf(code);
  }

  get name(): string {
    return this.config.name;
  }

  /** Takes changed settings. Runs that are under way keep theirs. */
  reload(code: CodeConfig): void {
    this.#code = code;
    this.config = configOf(code);
  }

  withConfig(config: ServedConfig): Served {
    return Object.create(this, { config: { value: config } }) as Served;
  }

  async start(): Promise<void> {}

  link(): Promise<Link> {
    return Promise.reject(new UpstreamFailure("unreachable", "these tools run in the broker"));
  }

  async release(): Promise<void> {}

  async close(): Promise<void> {}

  async study(life: Life): Promise<Refusal | undefined> {
    if (life.tool?.name !== "run_code") return undefined;
    const args = life.request.args as ScriptArguments;
    let script: StudiedScript;
    try {
      script = await this.#pool.study.read(args.code);
    } catch (error) {
      return refuse("invalid-arguments", messageOf(error), "correct the script and call again");
    }
    const journal = args.resume === undefined ? undefined : this.#held.find(args.resume, life.session.id);
    if (args.resume !== undefined && journal?.script !== digestOfScript(args))
      return refuse(
        "invalid-arguments",
        "there is no run to take up under this `resume`: it was another script, another session, or too long ago",
        "send the script without `resume` to start it anew",
      );
    life.resumes = journal?.call;
    life.script = { ...script, facts: factsOf(script.plan, life), approved: journal?.approved };
    return undefined;
  }

  async runHere(life: Life): Promise<Ran> {
    const began = performance.now();
    const ms = (): number => performance.now() - began;
    try {
      const { name } = life.tool ?? {};
      const args = life.params["arguments"];
      if (!isObject(args)) throw new Error("arguments that are no object");
      if (name === "run_code") return await this.#run(life, args as unknown as ScriptArguments, ms);
      const tools = callableTools(life.gate, life.grant, this.#code.tools);
      const found =
        name === "search_tools"
          ? findTools(tools, String(args["query"]), Number(args["limit"] ?? 10))
          : describeTools(tools, args["tools"] as readonly string[]);
      return reply(life, found, ms());
    } catch (error) {
      return {
        kind: "failed",
        failure: new UpstreamFailure("unreachable", messageOf(error), error, "the script could not be run"),
        ms: ms(),
      };
    }
  }

  async #run(life: Life, args: ScriptArguments, ms: () => number): Promise<Ran> {
    const asked = life.request.args as ScriptArguments;
    // Policies may have rewritten the script since it was read.
    const script = args.code === asked.code && life.script ? life.script : await this.#pool.study.read(args.code);
    const earlier = args.resume === undefined ? undefined : this.#held.find(args.resume, life.session.id);
    const approved = life.approver === undefined ? undefined : (earlier?.approved?.plan ?? script.plan);
    const run = new GuestRun({
      call: life.id,
      depth: (life.exchange.within?.depth ?? 0) + 1,
      budgets: budgetsFor(life, lowered(this.#code.budgets, args.budgets)),
      approved,
      literals: [...script.literals, ...textsIn(args.input)],
    });
    life.guest = run;
    const seed = args.seed ?? earlier?.seed ?? Math.floor(Math.random() * 2 ** 32);
    const journal = new Journal(earlier?.call ?? life.id, digestOfScript(args), seed);
    if (life.approver !== undefined && life.decision)
      journal.approved = { by: life.approver, policies: life.decision.policies, plan: approved ?? script.plan };
    if (earlier) run.took(earlier.seen);
    const replay = earlier?.replay();
    const previewed: PreviewedCall[] = [];
    const onCall = async (call: GuestCall, signal: AbortSignal): Promise<GuestAnswer> => {
      if (args.dryRun) return dryCall(life, run, args.stubs ?? {}, previewed, call);
      const answer = replay?.(call) ?? (await innerCall(life, run, call, signal));
      journal.keep(call, answer);
      return answer;
    };
    const sandbox = await this.#pool.open();
    const { result, logs } = await runGuest(life, sandbox, {
      kind: "script",
      code: script.code,
      input: args.input ?? null,
      tools: namesByServer(callableTools(life.gate, life.grant, this.#code.tools)),
      seed,
      ...(args.now !== undefined && { now: args.now }),
      run,
      onCall,
    });
    const error = result.ok ? undefined : result.error;
    let resume: string | undefined;
    if (error?.code === "HELD") {
      journal.close(run);
      resume = this.#held.keep(journal, life.session.id, life.gate.approvalTimes.ttl);
    }
    if (args.resume !== undefined) this.#held.drop(args.resume);
    const usage = usageOf(result, run);
    const body = {
      ...(result.ok && { value: parseJson(result.value) }),
      ...(error && { error: toldOf(error) }),
      logs,
      ...(args.dryRun && { calls: previewed }),
      ...(resume !== undefined && { resume }),
      usage,
    };
    return reply(life, body, ms(), {
      ...(error && { error: recordedError(error) }),
      detail: { run: usage, ...(args.dryRun && { dryRun: true }), ...(resume !== undefined && { resume }) },
    });
  }
}

function configOf(code: CodeConfig): ServedConfig {
  const manifest = codeManifest(code);
  return { name: manifest.server, era: "auto", connection: "shared", timeout: TIMEOUT_MS, manifest };
}

/** What policies see of a script before it runs. */
function factsOf({ calls, complete }: Plan, { gate, exchange }: Life): ScriptFacts {
  const tools = [...new Set(calls.map(({ server, name }) => `${server}__${name}`))].sort();
  const effects = new Set<ToolEffect>();
  for (const tool of tools) for (const effect of effectsOf(gate.registry, tool)) effects.add(effect);
  return { depth: exchange.within?.depth ?? 0, tools, effects: [...effects].sort(), complete };
}

function effectsOf(registry: Registry, tool: string): readonly ToolEffect[] {
  return registry.get(tool)?.effects ?? [];
}

/** What a script is to a journal: the same text with the same input. */
function digestOfScript({ code, input, dryRun, now }: ScriptArguments) {
  return digestOfJson({ code, input: input ?? null, dryRun: dryRun === true, now: now ?? null });
}

/** An agent may ask for less than it is given. */
function lowered(budgets: RunBudgets, asked: ScriptArguments["budgets"] = {}): RunBudgets {
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

function toldOf({ code, message, stack }: RunError): Record<string, unknown> {
  return { code, message, ...(stack !== undefined && { stack }) };
}

/** A result for the agent: for programs, and as text for a model. */
function reply(
  life: Life,
  body: Record<string, unknown>,
  ms: number,
  guest?: Extract<Ran, { kind: "reply" }>["guest"],
): Ran {
  const error = isObject(body["error"]) ? body["error"] : undefined;
  const text = stringifyJson(body);
  const result = {
    content: [{ type: "text", text: text.length > MOST_INDENTED ? text : stringifyJson(body, 2) }],
    structuredContent: body,
    ...(error && { isError: true }),
  };
  return { kind: "reply", reply: { message: { result } }, era: life.exchange.era, ms, ...(guest && { guest }) };
}
