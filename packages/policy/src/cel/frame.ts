import { SPENT } from "./fault.ts";
import type { Value } from "./value.ts";

/** What one evaluation carries: the facts it reads, the values of its loop variables, and the cost it may still cause. */
export interface Frame {
  readonly facts: unknown;
  readonly slots: Value[];
  fuel: number;
}

/** A compiled expression. Throws a Fault if it has no value. */
export type Code = (frame: Frame) => Value;

/** Takes `units` off the frame's fuel; throws SPENT once there is none. One unit is about 20 ns of work. */
export function spend(frame: Frame, units: number): void {
  frame.fuel -= units;
  if (frame.fuel < 0) throw SPENT;
}
