import { isObject, type Label, type ScriptFacts } from "@callgate/core";
import type { Plan, RunError } from "@callgate/sandbox";
import type { RunBudgets } from "../config/index.ts";
import type { Registered } from "../registry.ts";
import { type Refusal, refuse } from "../steps/life.ts";
import { beyond } from "./plan-fit.ts";
import { Said } from "./said.ts";

/** What a run in the sandbox begins with. */
export interface GuestRunOptions {
  /** The call that runs it. */
  readonly call: string;
  /** The run that makes that call, if one does. */
  readonly outer: GuestRun | undefined;
  readonly budgets: RunBudgets;
  /** Whether it can be taken up again where one of its calls is held. */
  readonly resumable: boolean;
  /** The plan that a person approved; without one, the policies alone say what may be called. */
  readonly approved?: Plan | undefined;
  /** The texts and numbers that stand in the code and its input. None for code that no model wrote: it speaks for nobody. */
  readonly literals: readonly string[];
  /** Where the values came from that it was given, as origins. */
  readonly given: readonly string[];
}

/** Ceilings on the calls of a run. The sandbox counts `calls` too, but not those of the runs inside. */
type Counted = "calls" | "writes" | "destructive" | "cost";
export type Spent = Readonly<Partial<Record<Counted, number>>>;
const SAYS: Readonly<Record<Counted, (most: number) => string>> = {
  calls: (most) => `the run and those inside it made more than ${most} calls`,
  writes: (most) => `the run made more than ${most} writing calls`,
  destructive: (most) => `the run made more than ${most} destructive calls`,
  cost: (most) => `the calls of the run cost more than ${most} units`,
};
const COUNTED = Object.keys(SAYS) as Counted[];

/**
 * The broker's books on one run in the sandbox: what its calls spend, and what came into it. Everything that the run says afterwards may
 * be made of what came in.
 */
export class GuestRun {
  readonly call: string;
  /** 1 where an agent started it; one more than the run that did. */
  readonly depth: number;
  readonly budgets: RunBudgets;
  readonly resumable: boolean;
  /** Why the guest must be ended, once a call has asked for too much, or waits for a person. */
  end: RunError | undefined;
  /** Whether something of a tool's came into it. */
  hasRead = false;
  readonly #outer: GuestRun | undefined;
  readonly #approved: Plan | undefined;
  readonly #said: Said;
  readonly #labels = new Set<Label>();
  readonly #marks: Set<string>;
  readonly #deadline: number;
  /** Arguments of calls that were counted: one that is looked at again before it is made counts once. */
  readonly #counted = new WeakSet<object>();
  readonly #spent: Record<Counted, number> = { calls: 0, writes: 0, destructive: 0, cost: 0 };
  readonly #inside: Record<Counted, number> = { calls: 0, writes: 0, destructive: 0, cost: 0 };

  constructor({ call, outer, budgets, resumable, approved, literals, given }: GuestRunOptions) {
    this.call = call;
    this.depth = (outer?.depth ?? 0) + 1;
    // Who is called MUST NOT go deeper than the one who calls may.
    this.budgets = outer ? { ...budgets, depth: Math.min(budgets.depth, outer.budgets.depth) } : budgets;
    this.resumable = resumable;
    this.#outer = outer;
    this.#approved = approved;
    this.#said = new Said(literals);
    this.#marks = new Set(given);
    this.#deadline = performance.now() + budgets.wall;
    // A run is given its code and its input by the one that starts it, which may have made them of anything that it read.
    if (outer) this.took(outer);
  }

  /** Milliseconds until the run is over in any case. */
  get left(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** What its calls have spent, those of runs inside included. */
  get spent(): { readonly writes: number; readonly destructive: number; readonly cost: number } {
    const { calls: _calls, ...spent } = this.#spent;
    return spent;
  }

  /** What runs inside spent that came to their ends: a run that is taken up does not make them again. */
  get spentInside(): Spent {
    return { ...this.#inside };
  }

  /** A run inside came to its end. */
  ended(inner: GuestRun): void {
    for (const what of COUNTED) this.#inside[what] += inner.#spent[what];
  }

  /** The run takes up one in which runs inside had spent this. */
  spend(spent: Spent): void {
    for (const what of COUNTED) {
      this.#inside[what] += spent[what] ?? 0;
      for (let run: GuestRun | undefined = this; run; run = run.#outer) run.#spent[what] += spent[what] ?? 0;
    }
  }

  /** The labels of all that came into it. */
  get labels(): readonly Label[] {
    return [...this.#labels];
  }

  /** Where all that came into it came from, as origins. */
  get marks(): readonly string[] {
    return [...this.#marks].sort();
  }

  /** What policies see of a call that the run makes. */
  get facts(): ScriptFacts {
    return { depth: this.depth, tools: [], effects: [], complete: true };
  }

  /** Something of a tool's goes into the run. */
  saw(tool: string, labels: readonly Label[], marks: readonly string[] = []): void {
    this.hasRead = true;
    this.took({ labels, marks: [`tool:${tool}`, ...labels, ...marks] });
  }

  /** What another run had read comes into this one. */
  took({ labels, marks }: Pick<GuestRun, "labels" | "marks">): void {
    for (const label of labels) this.#labels.add(label);
    for (const mark of marks) this.#marks.add(mark);
  }

  /** Whether the code says a text by itself, so that it need not come from anything that was read. */
  says(text: string): boolean {
    // What a run wrote into the code of another says no more than the run that wrote it.
    return this.#said.has(text) && (this.#outer?.says(text) ?? true);
  }

  /** Whether the run may make this call at all. Counts it: one that is refused ends the guest, so nothing is given back. */
  admits(tool: Registered, args: unknown): Refusal | undefined {
    const outside = this.#approved && beyond(this.#approved, tool, args);
    if (outside !== undefined)
      return refuse(
        "outside-plan",
        `${outside}: a person approved what the script showed before it ran, and nothing else`,
        "write the call into the script with its tool and arguments as they are, and ask again",
      );
    if (tool.upstream.runsCode?.(tool) && this.depth >= this.budgets.depth)
      return this.#over(`runs inside runs go ${this.budgets.depth} deep at most`);
    if (isObject(args) && this.#counted.has(args)) return undefined;
    const isWrite = tool.operation === "sandbox/fetch" ? !isReading(args) : tool.effects.includes("write");
    const takes = {
      calls: 1,
      writes: isWrite ? 1 : 0,
      destructive: tool.effects.includes("destructive") ? 1 : 0,
      cost: tool.limits.cost,
    };
    // What a run inside spends is spent by those around it, too.
    for (let run: GuestRun | undefined = this; run; run = run.#outer) {
      const over = COUNTED.find((what) => takes[what] > 0 && run.#spent[what] + takes[what] > run.budgets[what]);
      if (over === undefined) continue;
      const message = SAYS[over](run.budgets[over]);
      if (run !== this) run.end = { code: "CALL_BUDGET", message };
      return this.#over(message);
    }
    for (let run: GuestRun | undefined = this; run; run = run.#outer)
      for (const what of COUNTED) run.#spent[what] += takes[what];
    if (isObject(args)) this.#counted.add(args);
    return undefined;
  }

  #over(message: string): Refusal {
    this.end = { code: "CALL_BUDGET", message };
    return refuse("run-budget", message, "do less in one run");
  }
}

/** Whether a fetch asks and changes nothing, by its method (RFC 9110, 9.2.1). */
function isReading(args: unknown): boolean {
  const method = (args as { readonly method?: unknown } | null)?.method;
  return method === "GET" || method === "HEAD";
}
