import { messageOf } from "@callgate/core";
import { type Message, type RequestId, WIRE_CODES, type WireError } from "./message.ts";
import { type Reply, ServerSaid, type Wire, type WireEvents } from "./wire.ts";

/** Why a request to an upstream server has no answer. */
export class UpstreamFailure extends Error {
  readonly reason: "timeout" | "cancelled" | "unreachable";
  /** What an agent may be told: the message, without what the server said. */
  readonly told: string;

  constructor(reason: UpstreamFailure["reason"], message: string, cause?: unknown, told: string = message) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "UpstreamFailure";
    this.reason = reason;
    this.told = told;
  }
}

/** One request under way. */
export interface Pending {
  readonly id: number;
  readonly reply: Promise<Reply>;
  /** Tells the server that nobody waits any more, and rejects `reply`. Does nothing once it has settled. */
  cancel(failure: UpstreamFailure): void;
}

/** What the owner of a peer is told. */
export interface PeerEvents {
  /** A request from the server. The answer, or a thrown `RefusedRequest`, goes back to it. */
  onRequest(message: Message & { id: RequestId; method: string }, related: number | undefined): Promise<object>;
  onNotification(message: Message & { method: string }, related: number | undefined): void;
  onClose(error?: Error): void;
}

/** A refusal of a server's request, with the JSON-RPC error it gets. */
export class RefusedRequest extends Error {
  readonly wire: WireError;

  constructor(wire: WireError) {
    super(wire.message);
    this.name = "RefusedRequest";
    this.wire = wire;
  }
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
  readonly onProgress: ((params: Record<string, unknown>) => void) | undefined;
  readonly onSettled: ((id: number) => void) | undefined;
}

/** How to send a request. */
export interface RequestOptions {
  /** Milliseconds; 0 waits for ever. */
  readonly timeout: number;
  /** Set to ask for progress; called with the notification's params. Progress restarts the timeout. */
  readonly onProgress?: ((params: Record<string, unknown>) => void) | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Called once when the request is no longer under way, before its promise settles. */
  readonly onSettled?: ((id: number) => void) | undefined;
}

/**
 * JSON-RPC over a wire: gives ids, pairs answers, times out, routes progress. Knows nothing of MCP's handshake.
 * INVARIANT: ids come from this counter alone, so an answer can never reach a caller that did not ask.
 */
export class Peer {
  #wire!: Wire;
  #next = 1;
  #waiting = new Map<RequestId, Waiting>();
  #events: PeerEvents;
  #closed = false;

  constructor(events: PeerEvents) {
    this.#events = events;
  }

  /** The handlers that the wire is opened with; `attach` then gives it to the peer. */
  wireEvents(): WireEvents {
    return {
      onReply: (id, reply) => this.#settle(id)?.resolve(reply),
      onRequestFailed: (id, error) => {
        const failure = `the server did not answer: ${messageOf(error)}`;
        const told = error instanceof ServerSaid ? `the server did not answer: ${error.told}` : failure;
        this.#settle(id)?.reject(new UpstreamFailure("unreachable", failure, error, told));
      },
      onMessage: (message, related) => this.#receive(message, typeof related === "number" ? related : undefined),
      onClose: (error) => this.#lost(error),
    };
  }

  attach(wire: Wire): void {
    this.#wire = wire;
  }

  get wire(): Wire {
    return this.#wire;
  }

  request(method: string, params: Record<string, unknown> | undefined, options: RequestOptions): Pending {
    const id = this.#next++;
    const sent = options.onProgress ? withProgressToken(params, id) : params;
    let resolve!: (reply: Reply) => void;
    let reject!: (error: Error) => void;
    const reply = new Promise<Reply>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    const pending: Pending = { id, reply, cancel: (failure) => this.#cancel(id, failure) };
    if (this.#closed) {
      reject(new UpstreamFailure("unreachable", "the connection to the server is closed"));
      return pending;
    }
    const expire = (): void =>
      pending.cancel(new UpstreamFailure("timeout", `the server did not answer within ${options.timeout} ms`));
    const timer = options.timeout > 0 ? setTimeout(expire, options.timeout) : undefined;
    this.#waiting.set(id, { resolve, reject, timer, onProgress: options.onProgress, onSettled: options.onSettled });
    this.#wire.request({ jsonrpc: "2.0", id, method, ...(sent && { params: sent }) }, options.headers);
    return pending;
  }

  notify(method: string, params?: Record<string, unknown>): void {
    if (!this.#closed) this.#wire.send({ jsonrpc: "2.0", method, ...(params && { params }) });
  }

  async close(): Promise<void> {
    this.#end(new UpstreamFailure("cancelled", "the broker closed the connection to the server"));
    await this.#wire?.close();
  }

  #settle(id: RequestId): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (!waiting) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.onSettled?.(id as number);
    return waiting;
  }

  #cancel(id: number, failure: UpstreamFailure): void {
    const waiting = this.#settle(id);
    if (!waiting) return;
    if (!this.#wire.abandon(id)) this.notify("notifications/cancelled", { requestId: id, reason: failure.message });
    waiting.reject(failure);
  }

  #receive(message: Message, related: number | undefined): void {
    if (message.method === undefined) return;
    if (message.id !== undefined) {
      void this.#serve(message as Message & { id: RequestId; method: string }, related);
      return;
    }
    if (message.method === "notifications/progress") {
      const params = { ...message.params };
      const waiting = this.#waiting.get(Number(params["progressToken"]));
      waiting?.timer?.refresh();
      waiting?.onProgress?.(params);
      return;
    }
    this.#events.onNotification(message as Message & { method: string }, related);
  }

  async #serve(message: Message & { id: RequestId; method: string }, related: number | undefined): Promise<void> {
    let answer: Message;
    try {
      const result = message.method === "ping" ? {} : await this.#events.onRequest(message, related);
      answer = { jsonrpc: "2.0", id: message.id, result: result as Record<string, unknown> };
    } catch (error) {
      const wire =
        error instanceof RefusedRequest ? error.wire : { code: WIRE_CODES.internal, message: "internal error" };
      answer = { jsonrpc: "2.0", id: message.id, error: wire };
    }
    if (!this.#closed) this.#wire.send(answer);
  }

  #lost(error: Error | undefined): void {
    if (
      this.#end(
        new UpstreamFailure("unreachable", `the connection to the server was lost${error ? `: ${error.message}` : ""}`),
      )
    )
      this.#events.onClose(error);
  }

  /** Fails everything that waits; false if that was done before. */
  #end(failure: UpstreamFailure): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(failure);
    return true;
  }
}

function withProgressToken(params: Record<string, unknown> | undefined, token: number): Record<string, unknown> {
  const meta = params?.["_meta"] as Record<string, unknown> | undefined;
  return { ...params, _meta: { ...meta, progressToken: token } };
}
