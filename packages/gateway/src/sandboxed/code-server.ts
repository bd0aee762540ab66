import {
  CallgateError,
  isObject,
  messageOf,
  type ScriptFacts,
  SERVER_NAME,
  stringifyJson,
  TOOL_NAME,
  type ToolEffect,
  type ToolFacts,
} from "@callgate/core";
import type { Plan, StudiedScript } from "@callgate/sandbox";
import type { CodeConfig, ServedConfig } from "../config/index.ts";
import type { Registry } from "../registry.ts";
import type { Served } from "../served.ts";
import { type Life, type Refusal, refuse } from "../steps/life.ts";
import type { GuestEnd, Ran } from "../steps/run.ts";
import type { Negotiated } from "../upstream/handshake.ts";
import type { Link } from "../upstream/link.ts";
import { UpstreamFailure } from "../upstream/peer.ts";
import { callableTools, describeTools, findTools } from "./catalogue.ts";
import { CODE_TOOLS, codeManifest } from "./code-tools.ts";
import { Held } from "./journal.ts";
import { runsScripts } from "./plan-fit.ts";
import type { SandboxPool } from "./pool.ts";
import { failureOf } from "./run-guest.ts";
import { digestOfScript, runScript, type ScriptArguments } from "./script-run.ts";

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

  runsCode(tool: Pick<ToolFacts, "server" | "name">): boolean {
    return runsScripts(tool);
  }

  async study(life: Life): Promise<Refusal | undefined> {
    if (!life.tool || !this.runsCode(life.tool)) return undefined;
    // What is run is what goes on after policies: they may have rewritten the script.
    const args = (life.sent?.args ?? life.request.args) as ScriptArguments;
    let script: StudiedScript;
    try {
      script = await this.#pool.study.read(args.code, `${life.session.agent}\0${life.session.user ?? ""}`);
    } catch (error) {
      return unread(error);
    }
    const journal = args.resume === undefined ? undefined : this.#held.find(args.resume, life.session.id);
    if (args.resume !== undefined && journal?.script !== digestOfScript(args))
      return refuse(
        "invalid-arguments",
        "there is no run to take up under this `resume`: it was another script, another session, taken up already, or too long ago",
        "send the script without `resume` to start it anew",
      );
    life.resumes = journal?.call;
    const facts = factsOf(script.plan, life);
    life.script = { ...script, source: args.code, facts, journal, approved: journal?.approved };
    return undefined;
  }

  async runHere(life: Life): Promise<Ran> {
    const began = performance.now();
    const ms = (): number => performance.now() - began;
    try {
      const args = life.params["arguments"];
      if (!isObject(args)) throw new Error("arguments that are no object");
      if (life.tool && this.runsCode(life.tool)) return await this.#run(life, args as unknown as ScriptArguments, ms);
      const tools = callableTools(life.gate, life.grant, this.#code.tools);
      const found =
        life.tool?.name === "search_tools"
          ? findTools(tools, String(args["query"]), Number(args["limit"] ?? 10))
          : describeTools(tools, args["tools"] as readonly string[]);
      return reply(life, found, ms());
    } catch (error) {
      return { kind: "failed", failure: failureOf(error, "the script could not be run"), ms: ms() };
    }
  }

  async #run(life: Life, args: ScriptArguments, ms: () => number): Promise<Ran> {
    if (life.script?.source !== args.code && (await this.study(life)))
      throw new UpstreamFailure("unreachable", "what the policies made of the script cannot be run");
    const { body, guest } = await runScript(life, args, { pool: this.#pool, held: this.#held, code: this.#code });
    return reply(life, body, ms(), guest);
  }
}

/** What a parser says quotes the script: the record has the place alone. */
function unread(error: unknown): Refusal {
  if (error instanceof CallgateError && error.code === "SANDBOX_BUSY") return refuse("busy", error.message, error.help);
  const span = error instanceof CallgateError ? error.diagnostics[0]?.span : undefined;
  return {
    ...refuse("invalid-arguments", messageOf(error), "correct the script and call again"),
    kept: `the script cannot be read${span ? ` (line ${span.line}, column ${span.column})` : ""}`,
  };
}

function configOf(code: CodeConfig): ServedConfig {
  const manifest = codeManifest(code);
  return { name: manifest.server, era: "auto", connection: "shared", timeout: TIMEOUT_MS, manifest };
}

/** What policies see of a script before it runs. */
function factsOf({ calls, complete }: Plan, { gate, exchange }: Life): ScriptFacts {
  // A script can write any text in the place of a name. Names are kept with the facts; texts are not.
  const named = calls.filter(({ server, name }) => SERVER_NAME.test(server) && TOOL_NAME.test(name));
  const tools = [...new Set(named.map(({ server, name }) => `${server}__${name}`))].sort();
  const effects = new Set<ToolEffect>();
  for (const tool of tools) for (const effect of effectsOf(gate.registry, tool)) effects.add(effect);
  return {
    depth: exchange.within?.depth ?? 0,
    tools,
    effects: [...effects].sort(),
    complete: complete && named.length === calls.length,
  };
}

function effectsOf(registry: Registry, tool: string): readonly ToolEffect[] {
  return registry.get(tool)?.effects ?? [];
}

/** A result for the agent: for programs, and as text for a model. */
function reply(life: Life, body: Record<string, unknown>, ms: number, guest?: GuestEnd): Ran {
  const error = isObject(body["error"]) ? body["error"] : undefined;
  const text = stringifyJson(body);
  const result = {
    content: [{ type: "text", text: text.length > MOST_INDENTED ? text : stringifyJson(body, 2) }],
    structuredContent: body,
    ...(error && { isError: true }),
  };
  return { kind: "reply", reply: { message: { result } }, era: life.exchange.era, ms, ...(guest && { guest }) };
}
