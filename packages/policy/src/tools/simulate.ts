import type { CallFacts, LedgerRecord, ToolFacts, Verdict } from "@callgate/core";
import type { PolicySet } from "../port.ts";
import { Decided } from "./decided-then.ts";
import { recordedCall } from "./recorded.ts";
import { type Counted, Counts, Tally } from "./tally.ts";

/** What a candidate would do that was not done. */
export const CHANGES = ["denied", "allowed", "asked"] as const;
export type Change = (typeof CHANGES)[number];

/** Calls that a candidate decides otherwise in the same way. */
export interface Changed {
  readonly change: Change;
  readonly was: Verdict;
  /** The rules of the candidate that deny or ask; of what is newly allowed, the rules that denied or asked then. */
  readonly rules: readonly string[];
  readonly tool: string;
}

/** What a candidate would have done with the calls of a ledger. */
export interface SimulationReport {
  /** Digest of the candidate. */
  readonly candidate: string;
  /** Digests of the sets that decided then, most calls first. */
  readonly recorded: readonly { readonly policies: string; readonly calls: number }[];
  /** Calls, of which the next four counts are the parts: intents and denials, whatever became of them. */
  readonly calls: number;
  readonly unchanged: number;
  readonly changed: number;
  /** Refused by the broker itself, before the policies were asked or after they allowed: there is no verdict of theirs to compare. */
  readonly refused: number;
  readonly unreplayable: number;
  /** How many of the changed calls each change has. */
  readonly changes: Readonly<Record<Change, number>>;
  /** Most calls first. */
  readonly groups: readonly Counted<Changed>[];
  readonly refusals: readonly { readonly rule: string; readonly calls: number }[];
  readonly unreplayed: readonly { readonly reason: string; readonly calls: number }[];
}

/** Decides recorded calls again by a candidate set and compares. Records MUST come oldest first, with those of kind `approval`. */
export class Simulation {
  readonly #set: PolicySet;
  readonly #tools: ReadonlyMap<string, ToolFacts>;
  readonly #decided = new Decided();
  readonly #groups: Tally<Changed>;
  readonly #changes: Record<Change, number> = { denied: 0, allowed: 0, asked: 0 };
  readonly #recorded = new Counts();
  readonly #refusals = new Counts();
  readonly #unreplayed = new Counts();
  #calls = 0;
  #unchanged = 0;
  #refused = 0;
  #unreplayable = 0;

  /** `examples`: how many records are kept of each group. */
  constructor(set: PolicySet, tools: readonly ToolFacts[], examples: number) {
    this.#set = set;
    this.#tools = new Map(tools.map((tool) => [tool.qualified, tool]));
    this.#groups = new Tally(examples);
  }

  /** Takes one record with its payloads; those that are no call and no approval are passed over. */
  add(record: LedgerRecord, payloads: { readonly [name: string]: string }): void {
    if (record.kind === "approval") this.#decided.held(record);
    if (record.kind !== "intent" && record.kind !== "denial") return;
    this.#calls++;
    const then = this.#decided.then(record);
    if ("refusedBy" in then) {
      this.#refused++;
      this.#refusals.add(then.refusedBy);
      return;
    }
    const call = this.#replayed(record, payloads);
    if (typeof call === "string") {
      this.#unreplayable++;
      this.#unreplayed.add(call);
      return;
    }
    this.#recorded.add(then.policies);
    const now = this.#set.decide(call);
    if (now.verdict === then.verdict) {
      this.#unchanged++;
      return;
    }
    const change = CHANGE[now.verdict];
    this.#changes[change]++;
    const rules = change === "allowed" ? then.rules : now.reasons.map((reason) => reason.rule);
    const tool = call.tool.qualified;
    const key = `${change}\0${then.verdict}\0${tool}\0${rules.join("\0")}`;
    this.#groups.add(key, { change, was: then.verdict, rules, tool }, record);
  }

  report(): SimulationReport {
    return {
      candidate: this.#set.digest,
      recorded: this.#recorded.entries().map(([policies, calls]) => ({ policies, calls })),
      calls: this.#calls,
      unchanged: this.#unchanged,
      changed: this.#changes.denied + this.#changes.allowed + this.#changes.asked,
      refused: this.#refused,
      unreplayable: this.#unreplayable,
      changes: { ...this.#changes },
      groups: this.#groups.groups(),
      refusals: this.#refusals.entries().map(([rule, calls]) => ({ rule, calls })),
      unreplayed: this.#unreplayed.entries().map(([reason, calls]) => ({ reason, calls })),
    };
  }

  /** The call as it was, or why it cannot be decided. */
  #replayed(record: LedgerRecord, payloads: { readonly [name: string]: string }): CallFacts | string {
    const recorded = recordedCall(record, payloads, this.#tools);
    if ("unreplayable" in recorded) return recorded.unreplayable;
    const { call } = recorded;
    // Without them `origin(…)` would be decided on nothing.
    return call.flow === undefined && this.#set.readsFlow(call.tool) ? "flow facts were not kept" : call;
  }
}

const CHANGE: Readonly<Record<Verdict, Change>> = { deny: "denied", allow: "allowed", hold: "asked" };
