import type { ToolFacts } from "@callgate/core";
import { type Reach, type ReachingAgent, ReachMap } from "../analysis/reach.ts";
import { loadPolicies } from "../load.ts";
import type { PolicySet, PolicySource } from "../port.ts";
import type { PolicySettings } from "../settings.ts";
import { termsOf } from "./bounds.ts";
import { Habit } from "./habit.ts";
import { type KeptRecord, type MadeCall, madeCalls, PassedOver } from "./made-calls.ts";
import { habitKey, Probe, policiesText, type Suggestion, suggestionsOf } from "./suggestion.ts";
import { suggestionText } from "./suggestion-text.ts";

/** Where suggestions are made for. */
export interface SuggestPlace {
  readonly tools: readonly ToolFacts[];
  /** The agents that are looked at. */
  readonly agents: readonly ReachingAgent[];
  readonly policies: readonly PolicySource[];
  readonly settings: PolicySettings;
}

export interface SuggestOptions {
  /** How often something must have been seen before it becomes a bound. */
  readonly least: number;
  /** Whether the records are all there are of the agents in their time: else nothing is said of what was not used. */
  readonly complete: boolean;
}

/** A permit that was suggested, and the records behind it. */
export interface SuggestedPolicy {
  readonly id: string;
  readonly agent: string;
  readonly tool: string;
  /** Absent if the arguments have no bounds. */
  readonly when?: string;
  readonly calls: number;
  readonly first: number;
  readonly last: number;
  readonly examples: readonly number[];
  /** Of the calls, those in sessions that were `untrusted`, and those that a person let through. */
  readonly untrusted: number;
  readonly approved: number;
}

/** The scopes of an agent: `needed` for the tools that it called, `removable` if it needs no others. */
export interface ScopeUse {
  readonly agent: string;
  readonly granted: readonly string[];
  readonly needed: readonly string[];
  readonly removable: readonly string[];
}

export interface SuggestReport {
  /** Calls that were learned from, all of which the suggested policies allow. */
  readonly calls: number;
  readonly suggestions: readonly SuggestedPolicy[];
  readonly scopes: readonly ScopeUse[];
  /** Tools that the present policies and scopes let an agent call, and that it never called. */
  readonly unused: readonly Pick<Reach, "agent" | "tool" | "policies">[];
  readonly passedOver: readonly { readonly reason: string; readonly calls: number }[];
  /** The policy file, of printable ASCII. */
  readonly text: string;
}

/**
 * Suggests, from the calls that agents made, the permits that allow those and little more. `records` gives intents and outcomes, oldest
 * first; it is gone through two or three times and MUST give the same each time. The suggested policies load against the tools, and each
 * of the calls was decided by them and allowed; where one was not, the bound was left out.
 */
export function suggestPolicies(
  records: () => Iterable<KeptRecord>,
  place: SuggestPlace,
  { least, complete }: SuggestOptions,
): SuggestReport {
  const tools = new Map(place.tools.map((tool) => [tool.qualified, tool]));
  const known = new Set(place.agents.map(({ name }) => name));
  const passedOver = new PassedOver();
  const made = function* (counting: PassedOver): Generator<MadeCall, void> {
    for (const one of madeCalls(records(), tools, counting)) {
      if (known.has(one.call.principal.agent)) yield one;
      else counting.count("the agent is not in the configuration");
    }
  };

  const habits = new Map<string, Habit>();
  let calls = 0;
  for (const one of made(passedOver)) {
    const of = { agent: one.call.principal.agent, tool: one.call.tool.qualified };
    const habit = habits.get(habitKey(of)) ?? new Habit(of.agent, of.tool);
    habits.set(habitKey(of), habit);
    habit.add(one);
    calls++;
  }
  const sorted = [...habits.values()].sort((a, b) => (habitKey(a) < habitKey(b) ? -1 : 1));
  const suggestions = validated(suggestionsOf(sorted, tools, least), place.tools, () => made(new PassedOver()));

  const report = {
    calls,
    suggestions: suggestions.map(plain),
    scopes: complete ? place.agents.map((agent) => scopesOf(agent, place.tools, passedOver)) : [],
    unused: complete ? unusedBy(place, passedOver) : [],
    passedOver: passedOver.entries(),
  };
  return { ...report, text: suggestionText(suggestions, report, tools) };
}

/** The suggestions without the bounds that a call did not keep to. */
function validated(
  suggestions: readonly Suggestion[],
  tools: readonly ToolFacts[],
  made: () => Iterable<MadeCall>,
): readonly Suggestion[] {
  const denied = (these: readonly Suggestion[], tell: (one: MadeCall) => void): void => {
    const set = setOf(these, tools);
    for (const one of made()) if (set?.decide(one.call).verdict !== "allow") tell(one);
  };
  if (suggestions.length === 0) return suggestions;
  const probe = new Probe(suggestions, tools);
  let broken = 0;
  denied(suggestions, ({ call }) => {
    probe.add(call);
    broken++;
  });
  if (broken === 0) return suggestions;
  const kept = probe.kept(suggestions);
  denied(kept, ({ seq }) => {
    throw new Error(`the suggested policies do not allow the call of record ${seq}`);
  });
  return kept;
}

function setOf(suggestions: readonly Suggestion[], tools: readonly ToolFacts[]): PolicySet | undefined {
  const loaded = loadPolicies([{ file: "suggested", text: policiesText(suggestions) }], tools);
  if (!loaded.ok) throw new Error(`the suggested policies do not load: ${loaded.diagnostics[0]?.message ?? ""}`);
  return loaded.set;
}

function plain({ id, habit, bounds }: Suggestion): SuggestedPolicy {
  const { agent, tool, calls, first, last, examples, untrusted, approved } = habit;
  const when = termsOf(bounds).join(" && ");
  return { id, agent, tool, ...(when !== "" && { when }), calls, first, last, examples, untrusted, approved };
}

function scopesOf({ name, scopes }: ReachingAgent, tools: readonly ToolFacts[], calls: PassedOver): ScopeUse {
  const asked = new Set(tools.filter((tool) => calls.wasCalled(name, tool)).flatMap((tool) => tool.scopes));
  return {
    agent: name,
    granted: scopes,
    needed: scopes.filter((scope) => asked.has(scope)),
    removable: scopes.filter((scope) => !asked.has(scope)),
  };
}

function unusedBy({ policies, tools, settings, agents }: SuggestPlace, calls: PassedOver): SuggestReport["unused"] {
  const reach = new ReachMap(policies, { tools, settings });
  return agents.flatMap((agent) =>
    tools
      .filter((tool) => !calls.wasCalled(agent.name, tool))
      .map((tool) => reach.of(agent, tool))
      .filter((one) => one.missing.length === 0 && one.policies !== "never")
      .map(({ agent: name, tool, policies: says }) => ({ agent: name, tool, policies: says })),
  );
}
