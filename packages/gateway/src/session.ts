import { type Grant, type Label, newId, type SessionFacts } from "@callgate/core";
import type { Connection } from "./config/index.ts";
import { LoopTrail } from "./loop.ts";
import type { LinkOwner } from "./upstream/link.ts";

/**
 * What one agent does in one go: a connection of the older era, or all requests under one token in the stateless one, which has no
 * sessions of its own (an agent cannot choose it, so it cannot leave a used-up budget behind by naming another).
 */
export class Session {
  readonly id = newId("ses");
  readonly agent: string;
  readonly user: string | undefined;
  readonly started = Date.now();
  readonly trail = new LoopTrail();
  /** Who upstream links of this session belong to, and under which key. */
  readonly owner: LinkOwner;
  lastUsed = this.started;
  /** The log level the agent asked for (sessionful era). */
  logLevel: string | undefined;
  calls = 0;
  cost = 0;
  #labels = new Set<Label>();
  #facts: readonly Label[] = [];

  constructor(grant: Grant, owner: LinkOwner) {
    this.agent = grant.principal.agent;
    this.user = grant.principal.user;
    this.owner = owner;
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
    return { id: this.id, labels: this.#facts, calls: this.calls, cost: this.cost, started: this.started };
  }

  /** Under which key this session's upstream links are kept. */
  linkKey(connection: Connection): string {
    return connection === "principal" ? `${this.agent}\0${this.user ?? ""}` : this.id;
  }

  /** Whether the grant is of the same principal: a session MUST NOT be used by another. */
  belongsTo(grant: Grant): boolean {
    return this.agent === grant.principal.agent && this.user === grant.principal.user;
  }
}
