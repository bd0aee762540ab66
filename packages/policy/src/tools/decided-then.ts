import { isObject, type LedgerRecord, type Verdict } from "@callgate/core";

/** What the policies of then said of a recorded call. */
export interface DecidedThen {
  readonly verdict: Verdict;
  /** The rules that made the verdict; of a hold, those that asked. */
  readonly rules: readonly string[];
  /** Digest of the policy set. */
  readonly policies: string;
}

/** The decision of a record, if it has the form of one: a ledger may come from anywhere. */
export function decisionOf({ decision }: LedgerRecord): LedgerRecord["decision"] {
  if (!isObject(decision)) return undefined;
  const { verdict, rules, policies } = decision;
  const texts = Array.isArray(rules) && [verdict, policies, ...rules].every((one) => typeof one === "string");
  return texts ? decision : undefined;
}

/** Rules of the broker's own that stand for a decision of the policies. */
const POLICIES_DENY = new Set(["callgate/default-deny", "callgate/policy-failure", "callgate/no-policies"]);
/** A call that the policies held, and that nobody approved. */
const HELD = new Set(["callgate/approval-refused", "callgate/approval-pending", "callgate/cancelled"]);
/** How many held calls are remembered until their end is met. */
const MAX_HELD = 10_000;

/**
 * Reads from the records of calls, oldest first, what the policies said. What became of a held call says nothing about its rules, so
 * that the records of its approval are remembered until then.
 */
export class Decided {
  readonly #asked = new Map<string, readonly string[]>();

  /** Takes note of a record of kind `approval`. */
  held(record: LedgerRecord): void {
    const { call } = record;
    const decision = decisionOf(record);
    if (call === undefined || decision === undefined) return;
    this.#asked.set(call, decision.rules);
    if (this.#asked.size > MAX_HELD) this.#asked.delete(this.#asked.keys().next().value as string);
  }

  /** The decision behind an intent or a denial; the rule by which the broker itself refused, where no policy did. */
  then(record: LedgerRecord): DecidedThen | { readonly refusedBy: string } {
    const { kind, call } = record;
    const decision = decisionOf(record);
    const asked = call === undefined ? undefined : this.#asked.get(call);
    if (asked && call !== undefined) this.#asked.delete(call);
    if (!decision) return { refusedBy: "no decision recorded" };
    const { rules, policies } = decision;
    if (kind === "intent") return { verdict: decision.approver === undefined ? "allow" : "hold", rules, policies };
    const own = rules.filter((rule) => rule.startsWith("callgate/"));
    if (own.some((rule) => HELD.has(rule))) return { verdict: "hold", rules: asked ?? rules, policies };
    const refusedBy = own.find((rule) => !POLICIES_DENY.has(rule));
    return refusedBy === undefined ? { verdict: "deny", rules, policies } : { refusedBy };
  }
}
