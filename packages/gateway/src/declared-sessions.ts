import { newId } from "@callgate/core";
import type { FlowWatch } from "./flow-watch.ts";
import { SessionState } from "./session.ts";

/** A session that a harness opened for an agent. */
export interface DeclaredSession {
  readonly state: SessionState;
  readonly agent: string;
  readonly user: string | undefined;
  /** The agent name of the harness; nobody else may add to it or end it. */
  readonly opener: string;
  /** Unix milliseconds; the session's token ends then too. */
  readonly expires: number;
}

const MAX_OPEN = 10_000;

/**
 * The sessions that harnesses have open. They live as long as the broker's process: a token for a session that is not here MUST be
 * refused, since its labels, budget and task are not known any more.
 */
export class DeclaredSessions {
  readonly #open = new Map<string, DeclaredSession>();

  /** A new session; undefined if too many are open. */
  open(
    whose: { readonly agent: string; readonly user: string | undefined; readonly opener: string },
    ttl: number,
    watch: FlowWatch | undefined,
  ): DeclaredSession | undefined {
    this.sweep();
    if (this.#open.size >= MAX_OPEN) return undefined;
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
