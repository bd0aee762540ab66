/** What a condition gives in one state of the world: it holds, it does not, or it fails. */
export type Truth = true | false | "fault";

export function not(value: Truth): Truth {
  return value === "fault" ? value : !value;
}

/** `&&` (until a false) or `||` (until a true), as the engine works them out: a decisive term outweighs the faults of others. */
export function joined(values: Iterable<Truth>, until: boolean): Truth {
  let fault = false;
  for (const value of values) {
    if (value === until) return until;
    if (value === "fault") fault = true;
  }
  return fault ? "fault" : !until;
}
