import { isObject } from "@callgate/core";
import type { Callback, CallHooks, Link, RequestMeta } from "./link.ts";
import { WIRE_CODES } from "./message.ts";
import { type Pending, RefusedRequest, UpstreamFailure } from "./peer.ts";
import type { Reply } from "./wire.ts";

/** What a running request does next: it is answered, or the server asks for something first. */
export type Step =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "ask"; readonly requests: Readonly<Record<string, Callback>>; readonly state?: string };

/** What to send. */
export interface Dispatch {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly timeout: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly meta: RequestMeta;
  onProgress?: ((params: Record<string, unknown>) => void) | undefined;
  onNotification?: CallHooks["onNotification"];
}

interface Asked {
  readonly callback: Callback;
  readonly resolve: (result: object) => void;
  readonly reject: (error: Error) => void;
  /** Handed out in a step: the next answer settles it. */
  shown: boolean;
}

/**
 * One request on its way through a server that may ask back, the same in both eras: an older server asks on the open connection, a
 * stateless one by an `input_required` result. Whoever runs it answers with `answer` and takes the next step.
 */
export class Running {
  #link: Link;
  #dispatch: Dispatch;
  #pending: Pending | undefined;
  #asked = new Map<string, Asked>();
  #wake: (() => void) | undefined;
  #counter = 0;
  #failed: UpstreamFailure | undefined;
  #onCancel: ((failure: UpstreamFailure) => void) | undefined;

  constructor(link: Link, dispatch: Dispatch) {
    this.#link = link;
    this.#dispatch = dispatch;
  }

  /** Whether the server holds the request open while it asks, in this process. */
  get heldOpen(): boolean {
    return this.#link.negotiated.era === "legacy";
  }

  /** Sends the request; `round` continues one that a stateless server broke off. */
  start(round?: { responses: Readonly<Record<string, unknown>>; state?: string }): void {
    const { method, params, timeout, headers, meta, onProgress } = this.#dispatch;
    const sent = round
      ? { ...params, inputResponses: round.responses, ...(round.state !== undefined && { requestState: round.state }) }
      : params;
    const hooks: CallHooks = {
      onRequest: (callback) => this.#hold(callback),
      onNotification: (m, p) => this.#dispatch.onNotification?.(m, p),
    };
    const progress = onProgress && ((p: Record<string, unknown>): void => this.#dispatch.onProgress?.(p));
    this.#pending = this.#link.request(method, sent, { timeout, headers, onProgress: progress }, hooks, meta);
    this.#pending.reply.catch((failure: UpstreamFailure) => this.#onCancel?.(failure));
  }

  /** Takes up a parked request again: what it says from now on goes to another exchange. */
  redirect(to: Pick<Dispatch, "onProgress" | "onNotification">): void {
    this.#dispatch.onProgress = to.onProgress;
    this.#dispatch.onNotification = to.onNotification;
  }

  /** Resolves with the next step. Rejects with `UpstreamFailure`. */
  async next(): Promise<Step> {
    const pending = this.#pending;
    if (!pending) throw new UpstreamFailure("cancelled", "the call was cancelled");
    // The common case, without a race: nobody asks back.
    const woken = new Promise<undefined>((resolve) => {
      this.#wake = () => resolve(undefined);
    });
    if (this.#asked.size > 0) this.#wake?.();
    const reply = await Promise.race([pending.reply, woken]);
    if (reply === undefined) {
      if (this.#failed) throw this.#failed;
      for (const asked of this.#asked.values()) asked.shown = true;
      return { kind: "ask", requests: Object.fromEntries([...this.#asked].map(([key, a]) => [key, a.callback])) };
    }
    return fromReply(reply);
  }

  /**
   * Answers what the last step asked. An unanswered question is refused towards the server; one that came in meanwhile waits for its own
   * step.
   */
  answer(responses: Readonly<Record<string, unknown>>, state?: string): void {
    if (!this.heldOpen) {
      this.start({ responses, ...(state !== undefined && { state }) });
      return;
    }
    for (const [key, asked] of this.#asked) {
      if (!asked.shown) continue;
      this.#asked.delete(key);
      const response = responses[key];
      if (isObject(response)) asked.resolve(response);
      else asked.reject(new RefusedRequest({ code: WIRE_CODES.invalidRequest, message: "the client gave no answer" }));
    }
  }

  /** What the last step asked and nobody has answered yet, by key. */
  shown(): readonly (readonly [string, Callback])[] {
    return [...this.#asked].filter(([, asked]) => asked.shown).map(([key, asked]) => [key, asked.callback] as const);
  }

  /** Refuses some of what was asked; the request goes on. */
  decline(keys: readonly string[]): void {
    for (const key of keys) {
      this.#asked
        .get(key)
        ?.reject(new RefusedRequest({ code: WIRE_CODES.invalidRequest, message: "the client cannot answer this" }));
      this.#asked.delete(key);
    }
  }

  /** Ends the request, wherever it is. */
  cancel(failure: UpstreamFailure): void {
    this.#failed = failure;
    for (const asked of this.#asked.values())
      asked.reject(new RefusedRequest({ code: WIRE_CODES.invalidRequest, message: failure.message }));
    this.#asked.clear();
    this.#pending?.cancel(failure);
    this.#onCancel?.(failure);
  }

  /** Rejects when the request is cancelled or fails, so that nobody waits for an answer that no longer counts. */
  cancelled(): Promise<never> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((_, reject) => {
      this.#onCancel = reject;
    });
  }

  #hold(callback: Callback): Promise<object> {
    return new Promise((resolve, reject) => {
      this.#asked.set(`ask-${++this.#counter}`, { callback, resolve, reject, shown: false });
      this.#wake?.();
    });
  }
}

/** An `input_required` result is a step; anything else is the answer. */
function fromReply(reply: Reply): Step {
  const result = reply.message.result;
  if (result?.["resultType"] !== "input_required") return { kind: "reply", reply };
  const requests: Record<string, Callback> = {};
  const asked = result["inputRequests"];
  if (isObject(asked))
    for (const [key, entry] of Object.entries(asked))
      if (isObject(entry) && typeof entry["method"] === "string")
        requests[key] = { method: entry["method"], ...(isObject(entry["params"]) && { params: entry["params"] }) };
  const state = result["requestState"];
  return { kind: "ask", requests, ...(typeof state === "string" && { state }) };
}
