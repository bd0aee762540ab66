import { type ClientCapabilities, envelope, type Identity, type Negotiated } from "./handshake.ts";
import { standardHeaders } from "./http.ts";
import { ENVELOPE, type Message, type RequestId } from "./message.ts";
import type { Peer, Pending, RequestOptions } from "./peer.ts";

/** A request that a server makes of the agent's side: elicitation, sampling, roots. */
export interface Callback {
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** Who is behind a link: what it can be asked, and where messages that belong to no call go. */
export interface LinkOwner {
  /** Names the owner in logs. */
  readonly name: string;
  /** What the owner's client declared, cut to what the manifest lets this server ask for. */
  readonly capabilities: ClientCapabilities;
  /** Answers a callback that belongs to no call, of the server `from`. Throws `RefusedRequest` where it cannot. */
  onRequest(callback: Callback, from?: string): Promise<object>;
  onNotification(method: string, params: Record<string, unknown> | undefined, from?: string): void;
}

/** What a call wants to hear while it runs. */
export interface CallHooks {
  onRequest?(callback: Callback): Promise<object>;
  onNotification?(method: string, params: Record<string, unknown> | undefined): void;
}

/** What a request of the stateless era says of the agent behind it. */
export interface RequestMeta {
  readonly capabilities: ClientCapabilities;
  readonly logLevel?: string;
}

/**
 * One connection to one server after its handshake.
 * INVARIANT: a link has one owner for life, so a callback can only reach that owner's client.
 */
export class Link {
  readonly negotiated: Negotiated;
  #peer: Peer;
  #identity: Identity;
  #hooks = new Map<number, CallHooks>();
  #forget = (id: number): void => void this.#hooks.delete(id);
  #owner: LinkOwner;
  closed = false;
  /** Called when this side closes the link. */
  onClosed: (() => void) | undefined;

  /** A link that several principals use: a message that names no call cannot be anyone's. */
  readonly shared: boolean;

  constructor(peer: Peer, negotiated: Negotiated, owner: LinkOwner, identity: Identity, shared: boolean) {
    this.shared = shared;
    this.#peer = peer;
    this.negotiated = negotiated;
    this.#owner = owner;
    this.#identity = identity;
  }

  /** Sends a request in the link's era. `meta` fills the envelope of the stateless era. */
  request(
    method: string,
    params: Record<string, unknown> | undefined,
    options: RequestOptions,
    hooks?: CallHooks,
    meta?: RequestMeta,
  ): Pending {
    let sent = params;
    let headers = options.headers;
    if (this.negotiated.era === "modern") {
      const own = envelope(this.#identity, meta?.capabilities ?? this.#owner.capabilities);
      if (meta?.logLevel !== undefined) own[ENVELOPE.logLevel] = meta.logLevel;
      sent = { ...params, _meta: { ...(params?.["_meta"] as object | undefined), ...own } };
      headers = { ...headers, ...standardHeaders({ method, params: sent }) };
    }
    const { timeout, onProgress } = options;
    const pending = this.#peer.request(method, sent, {
      timeout,
      onProgress,
      headers,
      onSettled: hooks && this.#forget,
    });
    if (hooks) this.#hooks.set(pending.id, hooks);
    return pending;
  }

  notify(method: string, params?: Record<string, unknown>): void {
    this.#peer.notify(method, params);
  }

  /** Finds whose a server's request is: the call on whose stream it came, else the call begun last, else the owner. */
  serve(message: Message & { id: RequestId; method: string }, related: number | undefined): Promise<object> {
    const callback: Callback = { method: message.method, ...(message.params && { params: message.params }) };
    const hooks = this.#hooksFor(related);
    return hooks?.onRequest ? hooks.onRequest(callback) : this.#owner.onRequest(callback);
  }

  hear(message: Message & { method: string }, related: number | undefined): void {
    const params = message.params as Record<string, unknown> | undefined;
    const hooks = message.method === "notifications/message" ? this.#hooksFor(related) : undefined;
    if (hooks?.onNotification) hooks.onNotification(message.method, params);
    else this.#owner.onNotification(message.method, params);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.onClosed?.();
    await this.#peer.close();
  }

  #hooksFor(related: number | undefined): CallHooks | undefined {
    if (related !== undefined) return this.#hooks.get(related);
    if (this.shared) return undefined;
    let latest: CallHooks | undefined;
    for (const hooks of this.#hooks.values()) latest = hooks;
    return latest;
  }
}
