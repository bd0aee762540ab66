import { type CallFacts, digestOf, type ToolFacts } from "@callgate/core";
import { loadPolicies } from "../load.ts";
import type { LoadedSet } from "../port.ts";
import { type Bound, boundsOf, termsOf } from "./bounds.ts";
import type { Habit } from "./habit.ts";

/** A permit for what one agent did with one tool. */
export interface Suggestion {
  readonly id: string;
  readonly habit: Habit;
  readonly bounds: readonly Bound[];
}

/** Suggests a permit for each habit, within the bounds that load against the tool as it is now. */
export function suggestionsOf(
  habits: readonly Habit[],
  tools: ReadonlyMap<string, ToolFacts>,
  least: number,
): Suggestion[] {
  const taken = new Set<string>();
  return habits.map((habit): Suggestion => {
    const tool = tools.get(habit.tool) as ToolFacts;
    const bounds = boundsOf(habit.args, least, tool.inputSchema).filter((bound) => loads([bound], habit, tool));
    const id = idOf(habit, taken);
    taken.add(id);
    // Each by itself loads; together they could still be too long.
    return { id, habit, bounds: loads(bounds, habit, tool) ? bounds : [] };
  });
}

function loads(bounds: readonly Bound[], habit: Habit, tool: ToolFacts): boolean {
  return loadPolicies([{ file: "suggested", text: policiesText([{ id: "probe", habit, bounds }]) }], [tool]).ok;
}

/** An id that says whose it is, within what an id may be. */
function idOf({ agent, tool }: Habit, taken: ReadonlySet<string>): string {
  const plain = `suggest-${agent}-${tool}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/-$/, "");
  if (plain.length <= 64 && !taken.has(plain)) return plain;
  return `${plain.slice(0, 51).replace(/-$/, "")}-${digestOf(`${agent}\0${tool}`).slice(7, 19)}`;
}

/** The policies as YAML, without comments. What came from agents is in `when`, as printable ASCII. */
export function policiesText(suggestions: readonly Suggestion[]): string {
  return `policies:\n${suggestions.map(policyText).join("")}`;
}

/** One policy of the list. */
export function policyText({ id, habit, bounds }: Suggestion): string {
  const lines = [
    `  - id: ${id}`,
    "    effect: permit",
    `    agents: [${JSON.stringify(habit.agent)}]`,
    `    tools: [${JSON.stringify(habit.tool)}]`,
    ...(bounds.length > 0 ? ["    when: >-", `      ${termsOf(bounds).join(" &&\n      ")}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

/** Finds the bounds that calls do not keep to, though they were made from them. */
export class Probe {
  readonly #set: LoadedSet | undefined;
  readonly #byHabit = new Map<string, ReadonlyMap<string, Bound>>();
  readonly #broken = new Set<Bound>();

  constructor(suggestions: readonly Suggestion[], tools: readonly ToolFacts[]) {
    const probes = suggestions.flatMap(({ habit, bounds }, i) =>
      bounds.map((bound, j): Suggestion => ({ id: `p${i}-${j}`, habit, bounds: [bound] })),
    );
    for (const [i, { habit, bounds }] of suggestions.entries())
      this.#byHabit.set(habitKey(habit), new Map(bounds.map((bound, j): [string, Bound] => [`p${i}-${j}`, bound])));
    if (probes.length === 0) return;
    const loaded = loadPolicies([{ file: "suggested", text: policiesText(probes) }], tools);
    if (!loaded.ok) throw new Error("bounds that load one by one do not load together");
    this.#set = loaded.set;
  }

  /** Takes a call that the suggestions do not allow. */
  add(call: CallFacts): void {
    const bounds = this.#byHabit.get(habitKey({ agent: call.principal.agent, tool: call.tool.qualified }));
    if (!bounds) return;
    const failing = (this.#set?.explain(call) ?? []).flatMap(({ rule, result }) => {
      const bound = bounds.get(rule);
      return bound && result !== "true" ? [bound] : [];
    });
    // Where each holds by itself, all of them together are too much.
    for (const bound of failing.length > 0 ? failing : bounds.values()) this.#broken.add(bound);
  }

  /** The suggestions without the bounds that some call does not keep to. */
  kept(suggestions: readonly Suggestion[]): Suggestion[] {
    return suggestions.map((one) => ({ ...one, bounds: one.bounds.filter((bound) => !this.#broken.has(bound)) }));
  }
}

/** What habits are kept by. */
export function habitKey({ agent, tool }: { readonly agent: string; readonly tool: string }): string {
  return `${agent}\0${tool}`;
}
