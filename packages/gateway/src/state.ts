import { createHmac, timingSafeEqual } from "node:crypto";
import { canonicalJson } from "@callgate/core";

/** What a multi-round request is bound to. A state made under one binding is refused under any other. */
export interface Binding {
  readonly agent: string;
  readonly user: string | undefined;
  readonly tool: string;
  readonly args: string;
}

/** What the broker must know again when the agent comes back with an answer. */
export type RoundState =
  /** The call is held: `approval` was asked of the client. */
  | { readonly kind: "approval"; readonly approval: string; readonly call: string }
  /** A server of the older era waits in mid-call, in this process. */
  | { readonly kind: "parked"; readonly parked: string; readonly call: string }
  /** A server of the stateless era gave a state of its own. */
  | { readonly kind: "relayed"; readonly state?: string; readonly call: string };

/** Signs and checks `requestState` (MCP 2026-07-28, multi-round requests). It goes through the agent: signed, bound, expiring. */
export class StateSeal {
  #key: Buffer;
  #ttlMs: number;

  constructor(key: Buffer, ttlMs: number) {
    this.#key = key;
    this.#ttlMs = ttlMs;
  }

  seal(state: RoundState, binding: Binding): string {
    const body = Buffer.from(JSON.stringify({ s: state, exp: Date.now() + this.#ttlMs })).toString("base64url");
    return `${body}.${this.#mac(body, binding).toString("base64url")}`;
  }

  /** The state, or undefined for anything that this broker did not seal under this binding, or that has expired. */
  open(sealed: unknown, binding: Binding): RoundState | undefined {
    if (typeof sealed !== "string") return undefined;
    const [body, mac, ...rest] = sealed.split(".");
    if (body === undefined || mac === undefined || rest.length > 0) return undefined;
    const given = Buffer.from(mac, "base64url");
    const expected = this.#mac(body, binding);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const { s, exp } = JSON.parse(Buffer.from(body, "base64url").toString("utf8")) as { s: RoundState; exp: number };
    return exp > Date.now() ? s : undefined;
  }

  #mac(body: string, binding: Binding): Buffer {
    return createHmac("sha256", this.#key).update("callgate/request-state/1\0").update(canonicalJson({ ...binding, user: binding.user ?? null })).update("\0").update(body).digest();
  }
}
