import type { Label, ScriptFacts } from "@callgate/core";
import type { Plan, RunError } from "@callgate/sandbox";
import type { RunBudgets } from "../config/index.ts";
import type { Registered } from "../registry.ts";
import { type Refusal, refuse } from "../steps/life.ts";

/** What a run in the sandbox begins with. */
export interface GuestRunOptions {
  /** The call that runs it. */
  readonly call: string;
  /** 1 where an agent started it; one more than the run that did. */
  readonly depth: number;
  readonly budgets: RunBudgets;
  /** The plan that a person approved; without one, the policies alone say what may be called. */
  readonly approved?: Plan | undefined;
  /** What the code says by itself: its own texts and numbers, and those of its input. Absent for code that no model wrote. */
  readonly literals?: readonly string[] | undefined;
}

/**
 * The broker's books on one run in the sandbox: what its calls spend, and what came into it. Everything that the run says afterwards may
 * be made of what came in.
 */
export class GuestRun {
  readonly call: string;
  readonly depth: number;
  readonly budgets: RunBudgets;
  /** Why the guest must be ended, once a call has asked for too much. */
  end: RunError | undefined;
  readonly #approved: Plan | undefined;
  readonly #literals: readonly string[] | undefined;
  readonly #exact: ReadonlySet<string>;
  readonly #labels = new Set<Label>();
  readonly #marks = new Set<string>();
  readonly #deadline: number;
  #writes = 0;
  #destructive = 0;
  #cost = 0;

  constructor({ call, depth, budgets, approved, literals }: GuestRunOptions) {
    this.call = call;
    this.depth = depth;
    this.budgets = budgets;
    this.#approved = approved;
    this.#literals = literals;
    this.#exact = new Set(literals);
    this.#deadline = performance.now() + budgets.wall;
  }

  /** Milliseconds until the run is over in any case. */
  get left(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** What its calls have spent, for the record. */
  get spent(): { readonly writes: number; readonly destructive: number; readonly cost: number } {
    return { writes: this.#writes, destructive: this.#destructive, cost: this.#cost };
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
    this.#marks.add(`tool:${tool}`);
    for (const label of labels) {
      this.#labels.add(label);
      this.#marks.add(label);
    }
    for (const mark of marks) this.#marks.add(mark);
  }

  /** What an earlier run had read, which this one takes up. */
  took({ labels, marks }: Pick<GuestRun, "labels" | "marks">): void {
    for (const label of labels) this.#labels.add(label);
    for (const mark of marks) this.#marks.add(mark);
  }

  /** Whether the code says a text by itself, so that it need not come from anything that it read. */
  says(text: string): boolean {
    if (!this.#literals) return true;
    return this.#exact.has(text) || (text.length >= 4 && this.#literals.some((literal) => literal.includes(text)));
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
    if (tool.upstream.runHere && this.depth >= this.budgets.depth)
      return this.#over(`runs inside runs go ${this.budgets.depth} deep at most`);
    const { writes, destructive, cost } = this.budgets;
    const isWrite = tool.operation === "sandbox/fetch" ? !isReading(args) : tool.effects.includes("write");
    if (isWrite && this.#writes + 1 > writes) return this.#over(`the run made more than ${writes} writing calls`);
    if (tool.effects.includes("destructive") && this.#destructive + 1 > destructive)
      return this.#over(`the run made more than ${destructive} destructive calls`);
    if (this.#cost + tool.limits.cost > cost) return this.#over(`the calls of the run cost more than ${cost} units`);
    if (isWrite) this.#writes++;
    if (tool.effects.includes("destructive")) this.#destructive++;
    this.#cost += tool.limits.cost;
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

/** In which way a call is not in a plan; undefined if it is. */
function beyond(plan: Plan, tool: Registered, args: unknown): string | undefined {
  const sites = plan.calls.filter((call) => call.server === tool.server && call.name === tool.name);
  if (sites.length === 0) return `\`${tool.qualified}\` is not in the approved plan`;
  const given = (typeof args === "object" && args !== null ? args : {}) as Record<string, unknown>;
  const fits = sites.some(({ literals }) =>
    Object.entries(literals).every(([name, value]) => Object.hasOwn(given, name) && given[name] === value),
  );
  return fits ? undefined : `the arguments of \`${tool.qualified}\` are not those of the approved plan`;
}
