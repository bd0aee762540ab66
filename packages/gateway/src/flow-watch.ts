import { digestOf, type FlowFacts, isObject, type Label } from "@callgate/core";
import { type Observed, SessionFlow } from "@callgate/policy";
import type { FlowConfig } from "./config/types.ts";

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
    if (parts.length === 0) return;
    this.#later(size, (flow) => {
      for (const part of parts) flow.observe(observed, part);
    });
  }

  /**
   * Where the arguments of a call came from. `tool` is its own name, not the qualified one. Undefined if something could not be read:
   * then nobody knows, and the call MUST NOT be decided.
   */
  facts(tool: string, args: unknown): FlowFacts | undefined {
    const flow = this.#read();
    return this.#attempt(() => flow.facts(tool, args));
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
    } catch {
      this.#failed = true;
      return undefined;
    }
  }
}

/**
 * What of a result or a message reaches a model: texts, structured content, and what names resources. Pictures and sound are left
 * out: what is in them has no text that an argument could repeat.
 */
export function partsOf(message: Readonly<Record<string, unknown>>): unknown[] {
  const parts: unknown[] = [];
  if (message["structuredContent"] !== undefined) parts.push(message["structuredContent"]);
  for (const key of ["content", "contents", "messages"]) {
    const blocks = message[key];
    if (Array.isArray(blocks)) for (const block of blocks) collectBlock(block, parts);
  }
  for (const key of ["completion", "message", "data", "systemPrompt", "requestedSchema", "description"])
    if (message[key] !== undefined) parts.push(message[key]);
  return parts;
}

function collectBlock(block: unknown, into: unknown[]): void {
  if (!isObject(block)) return;
  if (typeof block["text"] === "string") into.push(block["text"]);
  const { uri, name, title, description } = block as Record<"uri" | "name" | "title" | "description", unknown>;
  if (uri !== undefined || description !== undefined) into.push({ uri, name, title, description });
  // A prompt's message, or a resource inside a block, holds one more.
  for (const key of ["content", "resource"]) {
    const inner = block[key];
    for (const one of Array.isArray(inner) ? inner : [inner]) collectBlock(one, into);
  }
}
