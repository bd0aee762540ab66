import { RE2JS } from "re2js";

const MAX_PATTERN = 2048;
const MAX_COMPILED = 256;
/** What looking through one result, or the arguments of one call, may take: nominal steps of 5 to 30 ns, and milliseconds. */
export interface Effort {
  steps: number;
  ms: number;
}

/** Many searches that each look far ahead can take long although each is linear in the text: hence the time. */
export function newEffort(): Effort {
  return { steps: 30_000_000, ms: 500 };
}

const compiled = new Map<string, RE2JS>();

/** Why a pattern cannot be looked for, or undefined. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN) return `a pattern is longer than ${MAX_PATTERN} characters`;
  try {
    return compile(pattern).matcher("").find() ? "the pattern matches the empty text" : undefined;
  } catch {
    return "the pattern is not valid RE2 (it has no lookaround and no backreferences)";
  }
}

/**
 * The text with everything that an RE2 pattern matches replaced; the same text if it matches nothing. Throws a RangeError for a text that
 * would take more effort than is left: what could not be looked through MUST NOT pass for clean.
 */
export function redactMatches(text: string, pattern: string, put: string, effort: Effort): string {
  const re = compile(pattern);
  effort.steps -= text.length * (2 + (re.programSize() >> 2));
  if (effort.steps < 0) throw new RangeError("the text is too long for the pattern");
  const matcher = re.matcher(text);
  let redacted = "";
  let from = 0;
  let began = performance.now();
  while (matcher.find()) {
    const now = performance.now();
    effort.ms -= now - began;
    began = now;
    if (effort.ms < 0) throw new RangeError("the pattern takes too long on the text");
    // An empty match has nothing to take out.
    if (matcher.end() === matcher.start()) continue;
    redacted += text.slice(from, matcher.start()) + put;
    from = matcher.end();
  }
  effort.ms -= performance.now() - began;
  return from === 0 ? text : redacted + text.slice(from);
}

function compile(pattern: string): RE2JS {
  const known = compiled.get(pattern);
  if (known) return known;
  const re = RE2JS.compile(pattern);
  // Patterns come from policies, of which a reload brings new ones.
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(pattern, re);
  return re;
}
