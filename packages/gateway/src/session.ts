import { type Grant, type Label, newId, type SessionFacts } from "@callgate/core";
import type { Connection } from "./config/index.ts";
import type { FlowWatch } from "./flow-watch.ts";
import { LoopTrail } from "./loop.ts";
import type { LinkOwner } from "./upstream/link.ts";

/** What has come of a session so far. All connections under one token share it: to connect again MUST NOT be a way out of it. */
export class SessionState {
  readonly id: string;
  /** Absent where nothing watches the flow of values. */
  readonly watch: FlowWatch | undefined;
  readonly started = Date.now();
  readonly trail = new LoopTrail();
  /** Set when a declared session is over: nothing more is called in it. */
  ended = false;
  #calls = 0;
  #cost = 0;
  #labels = new Set<Label>();
  #facts: readonly Label[] = [];

  constructor(id: string, watch: FlowWatch | undefined) {
    this.id = id;
    this.watch = watch;
  }

  /** A call was made that cost so much. */
  count(cost: number): void {
    this.#calls++;
    this.#cost += cost;
  }

  /** Labels only grow. */
  mark(labels: readonly Label[]): void {
    for (const label of labels) {
      if (this.#labels.has(label)) continue;
      this.#labels.add(label);
      this.#facts = [...this.#labels];
    }
  }

  facts(): SessionFacts {
    return { id: this.id, labels: this.#facts, calls: this.#calls, cost: this.#cost, started: this.started };
  }
}

/**
 * One connection of the older era, or all requests under one token in the stateless one, and its place in a session. An agent cannot
 * choose its session, so it cannot leave a used-up budget or a label behind by connecting again.
 */
export class Session {
  readonly state: SessionState;
  readonly agent: string;
  readonly user: string | undefined;
  /** Who upstream links of this session belong to, and under which key. */
  readonly owner: LinkOwner;
  lastUsed = Date.now();
  /** The log level the agent asked for (sessionful era). */
  logLevel: string | undefined;
  /** Whether the session is a token's: it goes on when this connection ends. */
  readonly hasToken: boolean;
  readonly #declared: string | undefined;
  readonly #link = newId("link");

  constructor(grant: Grant, owner: LinkOwner, state: SessionState) {
    this.state = state;
    this.agent = grant.principal.agent;
    this.user = grant.principal.user;
    this.hasToken = grant.tokenId !== undefined;
    this.#declared = grant.sessionId;
    this.owner = owner;
  }

  get id(): string {
    return this.state.id;
  }

  /** Under which key this session's upstream links are kept. */
  linkKey(connection: Connection): string {
    return connection === "principal" ? `${this.agent}\0${this.user ?? ""}` : this.#link;
  }

  /** Whether the grant is of the same principal and for the same session: a session MUST NOT be used by another. */
  belongsTo(grant: Grant): boolean {
    return (
      this.agent === grant.principal.agent && this.user === grant.principal.user && this.#declared === grant.sessionId
    );
  }
}
