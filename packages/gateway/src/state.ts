import { createHmac, timingSafeEqual } from "node:crypto";
import { canonicalJson, newId } from "@callgate/core";

/** What a multi-round request is bound to. A state made under one binding is refused under any other. */
export interface Binding {
  readonly agent: string;
  readonly user: string | undefined;
  readonly tool: string;
  readonly args: string;
}

/** That the call was approved before the server asked its own question: the approval is used up, and holds for the rest of the call. */
export interface Approved {
  readonly by: string;
  /** Digest of the policy set that asked. */
  readonly policies: string;
}

/** What the broker must know again when the agent comes back with an answer. */
export type RoundState =
  /** The call is held: `approval` was asked of the client. */
  | { readonly kind: "approval"; readonly approval: string; readonly call: string }
  /** A server of the older era waits in mid-call, in this process. */
  | { readonly kind: "parked"; readonly parked: string; readonly call: string; readonly approved?: Approved }
  /** A server of the stateless era gave a state of its own. */
  | { readonly kind: "relayed"; readonly state?: string; readonly call: string; readonly approved?: Approved };

/** Signs and checks `requestState` (MCP 2026-07-28, multi-round requests). It goes through the agent: signed, bound, expiring, good for once. */
export class StateSeal {
  #key: Buffer;
  #ttlMs: number;
  /** What was opened, until it would have expired anyway. */
  #spent = new Map<string, number>();

  constructor(key: Buffer, ttlMs: number) {
    this.#key = key;
    this.#ttlMs = ttlMs;
  }

  seal(state: RoundState, binding: Binding): string {
    const body = Buffer.from(JSON.stringify({ s: state, exp: Date.now() + this.#ttlMs, n: newId("st") })).toString(
      "base64url",
    );
    return `${body}.${this.#mac(body, binding).toString("base64url")}`;
  }

  /** The state, or undefined for anything that this broker did not seal under this binding, or that has expired or was opened before. */
  open(sealed: unknown, binding: Binding): RoundState | undefined {
    if (typeof sealed !== "string") return undefined;
    const [body, mac, ...rest] = sealed.split(".");
    if (body === undefined || mac === undefined || rest.length > 0) return undefined;
    const given = Buffer.from(mac);
    const expected = Buffer.from(this.#mac(body, binding).toString("base64url"));
    // As texts: bytes have more than one spelling in Base64, and each would count as another state.
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const { s, exp } = JSON.parse(Buffer.from(body, "base64url").toString("utf8")) as { s: RoundState; exp: number };
    const now = Date.now();
    if (exp <= now || this.#spent.has(mac)) return undefined;
    this.#forget(now);
    this.#spent.set(mac, exp);
    return s;
  }

  /** Entries are in the order of opening, and so nearly in that of expiry. */
  #forget(now: number): void {
    for (const [mac, exp] of this.#spent) {
      if (exp > now) return;
      this.#spent.delete(mac);
    }
  }

  #mac(body: string, binding: Binding): Buffer {
    return createHmac("sha256", this.#key)
      .update("callgate/request-state/1\0")
      .update(canonicalJson({ ...binding, user: binding.user ?? null }))
      .update("\0")
      .update(body)
      .digest();
  }
}
