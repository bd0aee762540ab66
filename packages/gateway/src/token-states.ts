import type { SessionState } from "./session.ts";

const MAX_TOKENS = 20_000;

/** The sessions of tokens, for as long as a token is good: whoever connects again with it goes on where it was. */
export class TokenStates {
  readonly #states = new Map<string, { readonly state: SessionState; readonly expires: number }>();

  get(token: string): { readonly state: SessionState } | undefined {
    return this.#states.get(token);
  }

  /** `expires` in Unix milliseconds. Beyond 20,000 tokens the oldest is forgotten. */
  keep(token: string, state: SessionState, expires: number): void {
    if (this.#states.size >= MAX_TOKENS) this.#states.delete(this.#states.keys().next().value as string);
    this.#states.set(token, { state, expires });
  }

  /** Forgets tokens that have expired; the ids of their sessions. */
  sweep(): string[] {
    const over = [...this.#states].filter(([, { expires }]) => expires <= Date.now());
    for (const [token] of over) this.#states.delete(token);
    return over.map(([, { state }]) => state.id);
  }
}
