import type { PolicyEffect, ToolFacts, Verdict } from "@callgate/core";
import type { PolicySource } from "../port.ts";
import type { PolicySettings } from "../settings.ts";
import { type Studied, study } from "./condition.ts";
import { type Formula, textOf, truthOf } from "./formula.ts";
import { statesOf } from "./states.ts";
import type { Truth } from "./truth.ts";

/** Who asks: an agent of the configuration, with all the scopes that it may be granted. */
export interface ReachingAgent {
  readonly name: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/** A policy that has a say, with what is left of its condition once the agent and the tool are known; absent if it holds for sure. */
export interface ReachRule {
  readonly rule: string;
  readonly effect: PolicyEffect;
  readonly when?: string;
}

/** `always`: every call is allowed; `never`: none is; `ask`: none without a person; `if`: it depends on the call. */
export type ReachSaying = "always" | "never" | "ask" | "if";

/** Whether one agent can call one tool. */
export interface Reach {
  readonly agent: string;
  readonly tool: string;
  /** Scopes that the manifest asks for and that the agent cannot be granted: then it cannot call the tool, whatever the policies say. */
  readonly missing: readonly string[];
  /** Whether lists show it, the scopes apart. */
  readonly listed: "yes" | "no" | "if";
  /** The `list` policies that hide it, or may. */
  readonly hiding: readonly ReachRule[];
  /** What the policies say of its calls. */
  readonly policies: ReachSaying;
  /** The policies that it hangs on. Empty for a `never` where no policy permits the tool. */
  readonly rules: readonly ReachRule[];
}

/** Where reach is asked about. */
export interface ReachPlace {
  readonly tools: readonly ToolFacts[];
  readonly settings: PolicySettings;
}

/**
 * Says who can call what, by policies that load. `always`, `never` and `ask` MUST be so for every call that has all scopes; `if` is said
 * of the rest. Policies on trial decide nothing and are left out.
 */
export class ReachMap {
  readonly #all: readonly Studied[];
  readonly #answers = new Map<string, Answer>();
  readonly tools: readonly ToolFacts[];

  constructor(sources: readonly PolicySource[], { tools, settings }: ReachPlace) {
    this.#all = study(sources, { values: settings });
    this.tools = tools;
  }

  of(agent: ReachingAgent, tool: ToolFacts): Reach {
    return {
      agent: agent.name,
      tool: tool.qualified,
      missing: tool.scopes.filter((scope) => !agent.scopes.includes(scope)),
      ...this.#answer(agent, tool),
    };
  }

  /** Agents of whom the same policies speak, and no policy asks who they are, have the same answer. */
  #answer(agent: ReachingAgent, tool: ToolFacts): Answer {
    const speaking = this.#all.filter(
      ({ rule }) =>
        rule.matchesTool(tool.qualified) &&
        rule.appliesTo({ agent: agent.name, roles: agent.roles }) &&
        rule.modeFor(agent.name) === "enforce",
    );
    const personal = speaking.some(({ rule }) => rule.facts.some((name) => /^principal\b/.test(name)));
    const key = personal ? undefined : [tool.qualified, ...speaking.map(({ document }) => document.id)].join("\0");
    const known = key === undefined ? undefined : this.#answers.get(key);
    if (known) return known;
    const listing = sayings(speaking, "list", agent, tool);
    const calling = sayings(speaking, "call", agent, tool);
    const policies = saying(calling);
    const answer: Answer = {
      listed: listing.some(({ formula }) => formula.op === "constant") ? "no" : listing.length > 0 ? "if" : "yes",
      hiding: listing.map(told),
      policies,
      rules: decisive(calling, policies).map(told),
    };
    if (key !== undefined) this.#answers.set(key, answer);
    return answer;
  }
}

type Answer = Omit<Reach, "agent" | "tool" | "missing">;

/** The policies of a phase that may say something, in the order of the files. */
function sayings(
  speaking: readonly Studied[],
  phase: "call" | "list",
  { name, roles, scopes }: ReachingAgent,
  tool: ToolFacts,
): Saying[] {
  const principal = { agent: name, roles, scopes };
  return speaking.flatMap((studied): Saying[] => {
    if (studied.document.phase !== phase) return [];
    const formula = studied.formula(tool, { tool, principal });
    return formula.op === "constant" && formula.value === false ? [] : [{ studied, formula }];
  });
}

/** A policy that may hold or fail. */
interface Saying {
  readonly studied: Studied;
  readonly formula: Formula;
}

function told({ studied: { document }, formula }: Saying): ReachRule {
  const { id: rule, effect, when } = document;
  if (!when || (formula.op === "constant" && formula.value === true)) return { rule, effect };
  return { rule, effect, when: textOf(formula, when.text) };
}

function saying(all: readonly Saying[]): ReachSaying {
  const verdicts = verdictsOf(all);
  if (verdicts.has("allow")) return verdicts.size === 1 ? "always" : "if";
  return verdicts.has("hold") ? "ask" : "never";
}

/** Every verdict that may come of the policies. */
function verdictsOf(all: readonly Saying[]): ReadonlySet<Verdict> {
  const formulas = all.map(({ formula }) => formula);
  const states = statesOf(formulas);
  const verdicts = new Set<Verdict>();
  if (states) {
    for (const truths of states) {
      verdicts.add(verdictOf(all, (_, i) => truthOf(formulas[i] as Formula, truths)));
      if (verdicts.size === 3) break;
    }
    return verdicts;
  }
  // Too many states: each condition is taken to go either way by itself, which can only add verdicts.
  const open = (formula: Formula): boolean => formula.op !== "constant";
  const likely = (formula: Formula, otherwise: Truth): Truth => (formula.op === "constant" ? formula.value : otherwise);
  for (const effect of ["permit", "ask", "forbid"] as const)
    verdicts.add(
      verdictOf(all, (one) => {
        const own = one.studied.document.effect;
        return likely(one.formula, own === effect || (effect === "ask" && own === "permit"));
      }),
    );
  if (formulas.some(open)) verdicts.add("deny");
  return verdicts;
}

/** What the policies make of a call, as `decide` combines them. */
function verdictOf(all: readonly Saying[], truth: (one: Saying, i: number) => Truth): Verdict {
  let [permits, asks] = [false, false];
  for (const [i, one] of all.entries()) {
    const value = truth(one, i);
    const { effect } = one.studied.document;
    if (value === "fault" || (value && effect === "forbid")) return "deny";
    if (value && effect === "ask") asks = true;
    if (value && effect === "permit") permits = true;
  }
  if (asks) return "hold";
  return permits ? "allow" : "deny";
}

/** The policies that make it so. */
function decisive(all: readonly Saying[], policies: ReachSaying): readonly Saying[] {
  const certain = all.filter(({ formula }) => formula.op === "constant");
  const of = (effect: PolicyEffect): Saying[] => certain.filter((one) => one.studied.document.effect === effect);
  if (policies === "always") return of("permit");
  if (policies !== "never") return all;
  if (all.every((one) => one.studied.document.effect === "forbid") && certain.length === 0) return [];
  const fails = certain.filter(({ formula }) => formula.op === "constant" && formula.value === "fault");
  const denies = [...fails, ...of("forbid")];
  return denies.length > 0 ? [...new Set(denies)] : all;
}
