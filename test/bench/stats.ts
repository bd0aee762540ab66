/** What a run of timed calls comes to, in microseconds. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The value that a share `q` (0 to 1) of the sorted samples does not exceed (nearest rank). */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) throw new RangeError("no samples");
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number;
}

/** Sorts a copy; the samples stay as they are. */
export function latencyOf(samples: Float64Array): Latency {
  const sorted = samples.toSorted();
  return {
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

/** The middle of some figures; the mean of the two middle ones if their number is even. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[half] as number;
  if (sorted.length === 0) throw new RangeError("no samples");
  return ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

/** Rounds' figures as their median, and the range they lay in. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
