import type { CallFacts, LedgerRecord, ToolFacts, Verdict } from "@callgate/core";
import { type LoadedSet, recordedCall } from "@callgate/policy";
import type { IncidentCall } from "./calls.ts";

/** What was said of a call. */
export interface Said {
  readonly verdict: Verdict;
  readonly rules: readonly string[];
}

/** One call that was decided again. */
export interface DecidedAgain {
  readonly seq: number;
  readonly call: string;
  readonly tool: string;
  readonly then: Said & { readonly policies: string };
  readonly now: Said & { readonly reasons: readonly string[] };
  readonly changed: boolean;
}

/** What today's policies make of the calls of a session, each on the facts of then. */
export type Counterfactual =
  | {
      readonly available: true;
      /** Digest of today's policies. */
      readonly policies: string;
      readonly decided: readonly DecidedAgain[];
      /** Refused by the broker itself (arguments, budgets, scopes): the policies had no say then. */
      readonly refused: readonly { readonly seq: number; readonly tool: string; readonly rule: string }[];
      readonly unreplayable: readonly { readonly seq: number; readonly tool: string; readonly reason: string }[];
    }
  | { readonly available: false; readonly reason: string };

/** Rules of the broker's own that stand for a decision of the policies. */
const POLICIES_DENY = new Set(["callgate/default-deny", "callgate/policy-failure", "callgate/no-policies"]);

/** Decides every call again. Holds and denials of then do not change what a later call knew: facts are as they were recorded. */
export function decideAgain(
  calls: readonly IncidentCall[],
  set: LoadedSet,
  tools: ReadonlyMap<string, ToolFacts>,
): Counterfactual {
  const decided: DecidedAgain[] = [];
  const refused: { seq: number; tool: string; rule: string }[] = [];
  const unreplayable: { seq: number; tool: string; reason: string }[] = [];
  for (const call of calls) {
    const { decided: record, tool } = call;
    if (!record) continue;
    const then = saidThen(call, record);
    if ("refusedBy" in then) {
      refused.push({ seq: record.seq, tool, rule: then.refusedBy });
      continue;
    }
    const replayed = replayedCall(record, call.payloads, set, tools);
    if (typeof replayed === "string") {
      unreplayable.push({ seq: record.seq, tool, reason: replayed });
      continue;
    }
    const decision = set.decide(replayed);
    const now = {
      verdict: decision.verdict,
      rules: decision.reasons.map((reason) => reason.rule),
      reasons: decision.reasons.map((reason) => reason.message),
    };
    decided.push({ seq: record.seq, call: call.call, tool, then, now, changed: then.verdict !== now.verdict });
  }
  return { available: true, policies: set.digest, decided, refused, unreplayable };
}

/** The call as it was, or why it cannot be decided. */
function replayedCall(
  record: LedgerRecord,
  payloads: Readonly<Record<string, string>>,
  set: LoadedSet,
  tools: ReadonlyMap<string, ToolFacts>,
): CallFacts | string {
  const recorded = recordedCall(record, payloads, tools);
  if ("unreplayable" in recorded) return recorded.unreplayable;
  const { call } = recorded;
  return call.flow === undefined && set.readsFlow(call.tool) ? "flow facts were not kept" : call;
}

/** What the policies said then: what became of a held call says nothing about its rules. */
export function saidThen(
  { records, ending }: IncidentCall,
  record: LedgerRecord,
): (Said & { readonly policies: string }) | { readonly refusedBy: string } {
  const asked = records.find(({ kind }) => kind === "approval")?.decision;
  if (asked && record.decision)
    return { verdict: "hold", rules: asked.rules, policies: asked.policies || record.decision.policies };
  if (!record.decision) return { refusedBy: "no decision recorded" };
  const { rules, policies, approver } = record.decision;
  if (ending === "ran") return { verdict: approver === undefined ? "allow" : "hold", rules, policies };
  const refusedBy = rules.find((rule) => rule.startsWith("callgate/") && !POLICIES_DENY.has(rule));
  return refusedBy === undefined ? { verdict: "deny", rules, policies } : { refusedBy };
}
