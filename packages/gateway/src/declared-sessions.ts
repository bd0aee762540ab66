import { newId, type Principal } from "@callgate/core";
import type { FlowWatch } from "./flow-watch.ts";
import { SessionState } from "./session.ts";

/** A session that a harness opened for an agent. */
export interface DeclaredSession {
  readonly state: SessionState;
  readonly agent: string;
  readonly user: string | undefined;
  /** Who opened it: agent and user of the harness. Nobody else may add to it or end it. */
  readonly opener: Principal;
  /** Unix milliseconds; the session's token ends then too. */
  readonly expires: number;
}

const MAX_OPEN = 10_000;
/** Of one harness, so that one cannot keep the others out. */
const MAX_OF_ONE = 2_000;

/**
 * The sessions that harnesses have open. They live as long as the broker's process: a token for a session that is not here MUST be
 * refused, since its labels, budget and task are not known any more.
 */
export class DeclaredSessions {
  readonly #open = new Map<string, DeclaredSession>();

  /** A new session; undefined if too many are open, here or of this harness. */
  open(
    whose: { readonly agent: string; readonly user: string | undefined; readonly opener: Principal },
    ttl: number,
    watch: FlowWatch | undefined,
  ): DeclaredSession | undefined {
    if (this.#open.size >= MAX_OPEN) return undefined;
    let own = 0;
    for (const { opener } of this.#open.values()) if (opener.agent === whose.opener.agent) own += 1;
    if (own >= MAX_OF_ONE) return undefined;
    const state = new SessionState(newId("ses"), watch);
    const session: DeclaredSession = { ...whose, state, expires: Date.now() + ttl };
    this.#open.set(state.id, session);
    return session;
  }

  get(id: string): DeclaredSession | undefined {
    const session = this.#open.get(id);
    return session && session.expires > Date.now() ? session : undefined;
  }

  /** Ends a session: its token is refused from now on, and calls on open connections too. */
  end(id: string): void {
    const session = this.#open.get(id);
    if (!session) return;
    session.state.ended = true;
    this.#open.delete(id);
  }

  /** Ends what has expired; the ids of what it ended. */
  sweep(): string[] {
    const now = Date.now();
    const over = [...this.#open].filter(([, session]) => session.expires <= now).map(([id]) => id);
    for (const id of over) this.end(id);
    return over;
  }
}
