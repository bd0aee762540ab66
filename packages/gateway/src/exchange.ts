import type { GuestRun } from "./sandboxed/guest-run.ts";
import type { ClientCapabilities } from "./upstream/handshake.ts";
import type { Callback } from "./upstream/link.ts";
import type { Era, WireError } from "./upstream/message.ts";

/** One request of an agent, as the life of a call sees it, whichever face and era it came through. */
export interface Exchange {
  readonly era: Era;
  /** What the agent's client declared: on this request in the stateless era, in `initialize` before. */
  readonly capabilities: ClientCapabilities;
  /** Sends a notification that belongs to this request. */
  notify(method: string, params: Record<string, unknown> | undefined): void;
  /** Asks the agent's client something while the request is open. Absent in the stateless era, which asks by answering. */
  ask?(callback: Callback): Promise<object>;
  /** Set by the life of a call: what to do when the agent cancels. */
  onCancel: ((reason: string) => void) | undefined;
  /** True once the agent has cancelled or gone. */
  cancelled: boolean;
  /** The agent's progress token, if it asked for progress. */
  readonly progressToken?: string | number | undefined;
  /** `_meta` of the request without the envelope and the progress token: passed on as it is. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /** The log level that the request's envelope asks for (stateless era). */
  readonly logLevel?: string | undefined;
  /** Answers and state of a multi-round request (stateless era). Untrusted. */
  readonly inputResponses?: Readonly<Record<string, unknown>> | undefined;
  readonly requestState?: unknown;
  /** The run in the sandbox that makes the call; absent for a call of the agent's own. */
  readonly within?: GuestRun | undefined;
}

/** What a request is answered with. A result is either parsed or the exact JSON text that the server sent. */
export type Answer =
  | { readonly result: Readonly<Record<string, unknown>> }
  | { readonly resultText: string }
  | { readonly error: WireError };
