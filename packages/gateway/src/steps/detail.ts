import type { Decision, Reason, RecordDraft, ResultDecision } from "@callgate/core";

/** What a record's `detail` can say of a decision. */
interface Told {
  /** Whether other arguments went to the server than the agent sent. Which ones is in the facts: a digest could be guessed. */
  readonly changed?: boolean;
  readonly errors?: readonly Reason[];
  readonly fault?: string | undefined;
  readonly trial?: Decision["trial"] | ResultDecision["trial"] | undefined;
  /** What the result policies made of a result. */
  readonly judged?: ResultDecision["verdict"];
  /** Rules that blocked a result, or whose obligations it met. */
  readonly rules?: readonly string[];
}

const MAX_RULES = 50;
/** The ledger takes 4 KiB. A record MUST NOT be refused for how many rules spoke. */
const MAX_BYTES = 4000;

/** The detail of a record about a decision; undefined if there is nothing to say. Lists of rules are cut to what fits. */
export function detailOf({
  changed = false,
  errors = [],
  fault,
  trial,
  judged,
  rules = [],
}: Told): RecordDraft["detail"] {
  const base = {
    ...(changed && { changed }),
    ...(errors.length > 0 && {
      errors: errors.slice(0, 5).map((e) => ({ rule: e.rule, message: clip(e.message, 200) })),
    }),
    ...(fault !== undefined && { fault: clip(fault, 300) }),
    ...(judged !== undefined && { judged }),
  } satisfies { changed?: boolean; errors?: unknown; fault?: string; judged?: string };
  if (!trial && rules.length === 0) return Object.keys(base).length > 0 ? base : undefined;
  for (let most = MAX_RULES; ; most >>= 1) {
    const detail = {
      ...base,
      ...(rules.length > 0 && { rules: rules.slice(0, most) }),
      ...(trial && { trial: cut(trial, most) }),
    };
    if (most === 0 || Buffer.byteLength(JSON.stringify(detail)) <= MAX_BYTES) return detail;
  }
}

function cut({ observed, shadow }: NonNullable<Told["trial"]>, most: number): Record<string, unknown> {
  return {
    observed: observed.slice(0, most),
    ...(shadow && { shadow: { verdict: shadow.verdict, rules: shadow.rules.slice(0, most) } }),
  };
}

/** Cut and well-formed: a lone surrogate has no UTF-8, and a record MUST NOT be refused for what an agent typed. */
export function clip(text: string, length: number): string {
  return text.slice(0, length).toWellFormed();
}
