import { isUtf8 } from "node:buffer";
import {
  CallgateError,
  canonicalJson,
  digestOf,
  type FlowFacts,
  isObject,
  type Label,
  parseJson,
} from "@callgate/core";
import { type Observed, SessionFlow } from "@callgate/policy";
import type { FlowConfig } from "./config/types.ts";
import type { GuestRun } from "./sandboxed/guest-run.ts";

/** Results up to this many characters wait unread until a rule asks where a value came from. */
const MAX_PENDING = 1_048_576;
/** The same of all sessions together. */
const MAX_WAITING = 32 * 1_048_576;
/** Tasks that are remembered as told; beyond it one may be told twice, which changes nothing. */
const MAX_TASKS = 1_000;

/** How many characters wait in all sessions of this process. */
let waiting = 0;

/**
 * The flow of values through one session. Reading a result takes a millisecond or two, and most results are never asked about: what
 * was seen waits until a rule asks.
 */
export class FlowWatch {
  readonly #config: FlowConfig;
  #flow: SessionFlow | undefined;
  #pending: ((flow: SessionFlow) => void)[] = [];
  #size = 0;
  #failed = false;
  readonly #tasks = new Set<string>();

  constructor(config: FlowConfig) {
    this.#config = config;
  }

  /** What the session is for, as the harness declares it; false if it was declared before. MUST NOT come from the model. */
  task(text: string): boolean {
    const digest = digestOf(text);
    if (this.#tasks.has(digest)) return false;
    if (this.#tasks.size < MAX_TASKS) this.#tasks.add(digest);
    this.#later(text.length, (flow) => flow.task(text));
    return true;
  }

  /** Values of a source that the operator's side trusts. MUST NOT come from the model. */
  trust(name: string, values: unknown, size: number): void {
    this.#later(size, (flow) => flow.trust(name, values));
  }

  /** A person approved a call with these arguments. */
  approve(args: unknown): void {
    this.#later(0, (flow) => flow.approve(args));
  }

  /** A result, or another message of a server, goes to the agent. `size` is about its length in characters. */
  observe(observed: Observed, parts: readonly unknown[], size: number): void {
    this.#later(size, (flow) => {
      // What a call was sent is remembered even if nothing came back.
      if (parts.length === 0) flow.observe(observed, undefined);
      for (const part of withoutCopies(parts)) flow.observe(observed, part);
    });
  }

  /**
   * Where the arguments of a call came from. `tool` is its own name, not the qualified one. Undefined if something could not be read:
   * then nobody knows, and the call MUST NOT be decided. `within` is the run that makes the call: what is found nowhere may be made of
   * anything that the run has read.
   */
  facts(tool: string, args: unknown, within?: GuestRun): FlowFacts | undefined {
    const flow = this.#read();
    const facts = this.#attempt(() => flow.facts(tool, args));
    return facts && within ? derived(facts, within) : facts;
  }

  /** The labels of all that was seen, single fields included; undefined as above. */
  labels(): readonly Label[] | undefined {
    const flow = this.#read();
    return this.#failed ? undefined : flow.labels;
  }

  #later(size: number, step: (flow: SessionFlow) => void): void {
    if (this.#failed) return;
    this.#pending.push(step);
    this.#size += size;
    waiting += size;
    if (this.#size > MAX_PENDING || waiting > MAX_WAITING) this.#read();
  }

  #read(): SessionFlow {
    if (!this.#flow) {
      this.#flow = new SessionFlow(this.#config.memory);
      for (const [name, values] of Object.entries(this.#config.trusted)) this.#flow.trust(name, values);
    }
    const flow = this.#flow;
    const pending = this.#pending;
    this.#pending = [];
    waiting -= this.#size;
    this.#size = 0;
    for (const step of pending) this.#attempt(() => step(flow));
    return flow;
  }

  // What was not read is not known to be untrusted: after one failure nothing is told any more.
  #attempt<T>(step: () => T): T | undefined {
    if (this.#failed) return undefined;
    try {
      return step();
    } catch (error) {
      // Too much in one call is that call's own affair.
      this.#failed ||= !(error instanceof CallgateError && error.code === "flow/too-many");
      return undefined;
    }
  }
}

/**
 * The facts of a call that code makes. A value that was seen nowhere, and that the code does not say by itself, is made of what the code
 * read: it has the origins of all of it.
 */
function derived(facts: FlowFacts, run: GuestRun): FlowFacts {
  const { marks } = run;
  if (marks.length === 0) return facts;
  const origins = Object.fromEntries(
    Object.entries(facts.origins).map(([text, found]) =>
      found.includes("model") && !run.says(text) ? [text, [...new Set([...found, ...marks])].sort()] : [text, found],
    ),
  );
  return { ...facts, origins };
}

/** Without the texts that repeat structured content as JSON, as MCP asks of servers: they say nothing that the content does not. */
function withoutCopies(parts: readonly unknown[]): readonly unknown[] {
  const structured = parts.filter(isObject);
  if (structured.length === 0) return parts;
  return parts.filter((part) => {
    if (typeof part !== "string" || !/^\s*\{/.test(part)) return true;
    try {
      const text = canonicalJson(parseJson(part));
      return !structured.some((one) => canonicalJson(one) === text);
    } catch {
      return true;
    }
  });
}

/** Members that hold words and numbers of the protocol. */
const PROTOCOL = new Set(
  "resultType isError code level mode progress total progressToken ttlMs cacheScope maxTokens".split(" "),
);

/**
 * What of a result or a message reaches a model: all but words of the protocol. Of pictures, sound and other bytes what is text: the rest
 * has nothing that an argument could repeat.
 */
export function partsOf(message: Readonly<Record<string, unknown>>): unknown[] {
  const parts: unknown[] = [];
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined || (PROTOCOL.has(key) && isProtocolWord(value))) continue;
    if ((key === "content" || key === "contents" || key === "messages") && Array.isArray(value))
      for (const block of value) collectBlock(block, parts);
    else parts.push(value);
  }
  return parts;
}

function isProtocolWord(value: unknown): boolean {
  return typeof value === "string" ? /^[a-z_]{1,16}$/.test(value) : typeof value !== "object";
}

function collectBlock(block: unknown, into: unknown[]): void {
  if (typeof block === "string") into.push(block);
  if (!isObject(block)) return;
  const { type: _type, mimeType: _mime, role: _role, text, data, blob, content, resource, ...rest } = block;
  if (typeof text === "string") into.push(text);
  for (const bytes of [data, blob]) {
    const read = typeof bytes === "string" ? textIn(bytes) : undefined;
    if (read !== undefined) into.push(read);
  }
  if (Object.keys(rest).length > 0) into.push(rest);
  // A prompt's message, or a resource inside a block, holds one more.
  for (const inner of [content, resource])
    for (const one of Array.isArray(inner) ? (inner as unknown[]) : [inner]) collectBlock(one, into);
}

/** The text that Base64 stands for, if it is one. */
function textIn(base64: string): string | undefined {
  const bytes = Buffer.from(base64, "base64");
  return bytes.length > 0 && isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}
