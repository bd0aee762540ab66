import { isObject, type LedgerRecord } from "@callgate/core";
import { Decided } from "./decided-then.ts";
import { type Counted, Tally } from "./tally.ts";

/** Calls on which a policy in `observe` held, or failed. */
export interface ObservedCalls {
  readonly rule: string;
  readonly tool: string;
}

/** Calls, or their results, that the `shadow` policies would have decided otherwise in the same way. */
export interface ShadowedCalls {
  /** What was done: a verdict, or `pass` or `block` of a result. */
  readonly was: string;
  /** A verdict: `allow`, `deny`, `hold`; of a result `pass` or `block`. The same as `was` where only the rules differ. */
  readonly now: string;
  readonly rules: readonly string[];
  readonly tool: string;
}

/** How many the trial was held on. */
export interface TrialCounts {
  /** Calls that the policies decided; results that result policies spoke about. */
  readonly decided: number;
  /** On which some policy in `observe` held or failed. */
  readonly observed: number;
  /** Of which the verdict would have been another with the `shadow` policies enforced. */
  readonly differing: number;
  /** Of the same verdict, by other rules. */
  readonly otherRules: number;
  /** Of the same verdict, by the same rules. */
  readonly same: number;
}

/** What the policies on trial made of the calls of a ledger. */
export interface RolloutReport {
  readonly calls: TrialCounts;
  readonly results: TrialCounts;
  readonly observed: readonly Counted<ObservedCalls>[];
  readonly differences: readonly Counted<ShadowedCalls>[];
}

/** Adds up what records say of policies on trial. Records MUST come oldest first, with those of kind `approval`. */
export class Rollout {
  readonly #decided = new Decided();
  readonly #observed: Tally<ObservedCalls>;
  readonly #differences: Tally<ShadowedCalls>;
  readonly #toolOf: (record: LedgerRecord) => string;
  readonly #calls = counting();
  readonly #results = counting();

  /** `toolOf` names a record's tool; `examples` says how many records are kept of each group. */
  constructor(toolOf: (record: LedgerRecord) => string, examples: number) {
    this.#toolOf = toolOf;
    this.#observed = new Tally(examples);
    this.#differences = new Tally(examples);
  }

  /** Takes one record; those that tell of no decision are passed over. */
  add(record: LedgerRecord): void {
    if (record.kind === "approval") this.#decided.held(record);
    else if (record.kind === "outcome") {
      const judged = record.detail?.["judged"];
      if (judged === "pass" || judged === "block") this.#count(this.#results, record, judged);
    } else if (record.kind === "intent" || record.kind === "denial") {
      const then = this.#decided.then(record);
      if ("verdict" in then) this.#count(this.#calls, record, then.verdict);
    }
  }

  report(): RolloutReport {
    return {
      calls: summed(this.#calls),
      results: summed(this.#results),
      observed: this.#observed.groups(),
      differences: this.#differences.groups(),
    };
  }

  #count(counts: Counting, record: LedgerRecord, was: string): void {
    counts.decided++;
    const trial = trialOf(record);
    if (!trial) return;
    const tool = this.#toolOf(record);
    if (trial.observed.length > 0) counts.observed++;
    for (const rule of trial.observed) this.#observed.add(`${rule}\0${tool}`, { rule, tool }, record);
    if (!trial.shadow) return;
    const { verdict: now, rules } = trial.shadow;
    if (now === was) counts.otherRules++;
    else counts.differing++;
    this.#differences.add(`${was}\0${now}\0${tool}\0${rules.join("\0")}`, { was, now, rules, tool }, record);
  }
}

type Counting = { -readonly [K in Exclude<keyof TrialCounts, "same">]: number };

function counting(): Counting {
  return { decided: 0, observed: 0, differing: 0, otherRules: 0 };
}

function summed(counts: Counting): TrialCounts {
  return { ...counts, same: counts.decided - counts.differing - counts.otherRules };
}

interface KeptTrial {
  readonly observed: readonly string[];
  readonly shadow?: { readonly verdict: string; readonly rules: readonly string[] };
}

/** What a record says of policies on trial. What is not of that form says nothing. */
function trialOf({ detail }: LedgerRecord): KeptTrial | undefined {
  const trial = detail?.["trial"];
  if (!isObject(trial)) return undefined;
  const { observed, shadow } = trial;
  const rules = isObject(shadow) ? texts(shadow["rules"]) : [];
  return {
    observed: texts(observed),
    ...(isObject(shadow) && typeof shadow["verdict"] === "string" && { shadow: { verdict: shadow["verdict"], rules } }),
  };
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
