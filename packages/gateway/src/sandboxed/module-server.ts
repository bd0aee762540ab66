import { readFile } from "node:fs/promises";
import { CallgateError, digestOf, isObject, messageOf, parseJson, stringifyJson, type ToolFacts } from "@callgate/core";
import type { GuestAnswer, GuestCall, RunResult } from "@callgate/sandbox";
import type { Logger } from "pino";
import { type ModuleServer as ModuleConfig, revealAll, type ServedConfig } from "../config/index.ts";
import { governedFetch } from "../fetching/fetch.ts";
import { IDENTITY } from "../identity.ts";
import type { Served } from "../served.ts";
import type { Life } from "../steps/life.ts";
import type { Ran } from "../steps/run.ts";
import type { Negotiated } from "../upstream/handshake.ts";
import type { Link } from "../upstream/link.ts";
import { UpstreamFailure } from "../upstream/peer.ts";
import type { ToolDefinition } from "../upstream/upstream.ts";
import { callableTools, namesByServer } from "./catalogue.ts";
import { describeIn } from "./describe.ts";
import { GuestRun } from "./guest-run.ts";
import { innerCall } from "./inner-call.ts";
import type { SandboxPool } from "./pool.ts";
import { budgetsFor, endOf, failureOf, runGuest, usageOf } from "./run-guest.ts";

const RETRY_MS = 5_000;
/** How long a module may take to say which tools it has, in milliseconds. */
const DESCRIBE_MS = 10_000;

/** Tools that run in the sandbox: a bundle that exports `describe()`, which gives their definitions, and `call({ tool, args })`. */
export class ModuleServer implements Served {
  config: ModuleConfig;
  definitions: readonly ToolDefinition[] | undefined;
  negotiated: Negotiated | undefined;
  readonly #pool: SandboxPool;
  readonly #onDefinitions: (tools: readonly ToolDefinition[]) => void;
  readonly #log: Logger;
  #code = "";
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    config: ModuleConfig,
    pool: SandboxPool,
    onDefinitions: (tools: readonly ToolDefinition[]) => void,
    log: Logger,
  ) {
    this.config = config;
    this.#pool = pool;
    this.#onDefinitions = onDefinitions;
    this.#log = log.child({ server: config.name });
  }

  get name(): string {
    return this.config.name;
  }

  withConfig(config: ServedConfig): Served {
    return Object.create(this, { config: { value: config } }) as Served;
  }

  async start(): Promise<void> {
    try {
      const code = await readBundle(this.config);
      const definitions = await describeIn(await this.#pool.open(), code, DESCRIBE_MS);
      if (this.#closed) return;
      this.#code = code;
      this.definitions = definitions;
      this.negotiated = {
        era: "modern",
        version: "2026-07-28",
        capabilities: { tools: {} },
        serverInfo: { ...IDENTITY },
      };
      this.#onDefinitions(definitions);
    } catch (error) {
      if (this.#closed) return;
      this.#log.warn({ err: messageOf(error), retryMs: RETRY_MS }, "the module's tools are not to be had");
      this.#retry = setTimeout(() => void this.start(), RETRY_MS);
    }
  }

  link(): Promise<Link> {
    return Promise.reject(new UpstreamFailure("unreachable", "the module runs in the sandbox"));
  }

  async release(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  runsCode({ operation }: Pick<ToolFacts, "operation">): boolean {
    return operation === "tools/call";
  }

  async runHere(life: Life): Promise<Ran> {
    const began = performance.now();
    const ms = (): number => performance.now() - began;
    if (life.tool?.operation === "sandbox/fetch") return await this.#fetch(life, ms);
    try {
      const { module } = this.config;
      const args = life.params["arguments"] ?? {};
      const run = new GuestRun({
        call: life.id,
        outer: life.exchange.within,
        budgets: budgetsFor(life, module.budgets),
        resumable: false,
        literals: [],
        given: life.session.state.watch?.marksOf(args) ?? [],
      });
      life.guest = run;
      const { result } = await runGuest(life, this.#pool, {
        kind: "module",
        code: this.#code,
        entry: "call",
        input: { tool: life.tool?.name, args },
        tools: module.calls.length > 0 ? namesByServer(callableTools(life.gate, life.grant, module.calls)) : {},
        fetch: module.hosts.length > 0,
        run,
        onCall: async (call: GuestCall, signal: AbortSignal): Promise<GuestAnswer> =>
          (await innerCall(life, run, call, signal)).answer,
      });
      const usage = usageOf(result, run);
      return {
        kind: "reply",
        reply: { message: { result: resultOf(result) } },
        era: life.exchange.era,
        ms: ms(),
        guest: { ...(!result.ok && endOf(result.error, run)), detail: { run: usage } },
      };
    } catch (error) {
      return { kind: "failed", failure: failureOf(error, "the module could not be run"), ms: ms() };
    }
  }

  /** A fetch of the module's own code: what it may ask is in the manifest, what it may cost in the budgets of its run. */
  async #fetch(life: Life, ms: () => number): Promise<Ran> {
    const { exchange, gate, tool, params } = life;
    const stop = new AbortController();
    exchange.onCancel = () => stop.abort();
    try {
      const { hosts, budgets } = this.config.module;
      const answer = await governedFetch(
        params,
        {
          hosts,
          headers: Object.fromEntries(
            Object.entries(this.config.fetchHeaders).map(([host, given]) => [host, revealAll(given)]),
          ),
          timeout: Math.min(exchange.within?.left ?? budgets.wall, this.config.timeout),
          requestBytes: budgets.bytesOut,
          responseBytes: Math.min(
            budgets.bytesIn,
            gate.limits.resultBytes,
            tool?.limits.resultBytes ?? budgets.bytesIn,
          ),
        },
        stop.signal,
      );
      if ("error" in answer) {
        const { code, message } = answer.error;
        // As a server's error: what it quotes is the module's or the host's, and not for a leaf.
        const error = { code: FETCH_FAILED, message, data: { fetch: code } };
        return { kind: "reply", reply: { message: { error } }, era: exchange.era, ms: ms() };
      }
      const result = { content: [], structuredContent: answer.result };
      return { kind: "reply", reply: { message: { result } }, era: exchange.era, ms: ms() };
    } finally {
      exchange.onCancel = undefined;
    }
  }
}

/** JSON-RPC error of a fetch that failed (in the range left to implementations). */
const FETCH_FAILED = -32051;

/** The text of a module, if its bytes are those that the manifest pins. Throws `MODULE_CHANGED`, and what reading a file throws. */
async function readBundle({ name, file, module }: ModuleConfig): Promise<string> {
  const bytes = await readFile(file);
  if (digestOf(bytes) !== module.digest)
    throw new CallgateError("MODULE_CHANGED", `the module of \`${name}\` is not the one that its manifest pins`, {
      help: "run `callgate tool register` for it, and read what changed",
    });
  return bytes.toString("utf8");
}

/** What a module's handler gave, as the result of a tool. A value that has the form of one is taken as it is. */
function resultOf(result: RunResult): Record<string, unknown> {
  if (!result.ok) {
    const { code, message } = result.error;
    return { content: [{ type: "text", text: `The tool failed: ${code}: ${message}` }], isError: true };
  }
  const value = parseJson(result.value);
  if (isObject(value) && Array.isArray(value["content"])) {
    const { content, structuredContent, isError } = value;
    return {
      content,
      ...(structuredContent !== undefined && { structuredContent }),
      ...(isError === true && { isError }),
    };
  }
  const text = typeof value === "string" ? value : stringifyJson(value);
  return { content: [{ type: "text", text }], ...(isObject(value) && { structuredContent: value }) };
}
