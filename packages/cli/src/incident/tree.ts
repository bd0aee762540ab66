import type { IncidentCall } from "./calls.ts";

/** A call and how far below its root it stands. */
export interface Placed {
  readonly of: IncidentCall;
  readonly depth: number;
}

/** The whole tree that a call is in, from its root on, each call before those that it caused. Empty if it is not among the calls. */
export function treeOf(call: string, calls: readonly IncidentCall[]): Placed[] {
  const byId = new Map(calls.map((one) => [one.call, one]));
  const childrenOf = Map.groupBy(calls, (one) => one.parent);
  let root = byId.get(call);
  const passed = new Set<string>();
  // A record says what caused it; a file that was tampered with may say so in a circle.
  for (let up = root; up && !passed.has(up.call); up = up.parent === undefined ? undefined : byId.get(up.parent)) {
    passed.add(up.call);
    root = up;
  }
  const tree: Placed[] = [];
  const open: Placed[] = root ? [{ of: root, depth: 0 }] : [];
  const seen = new Set<string>();
  for (let next = open.pop(); next; next = open.pop()) {
    const { of, depth } = next;
    if (seen.has(of.call)) continue;
    seen.add(of.call);
    tree.push(next);
    const children = childrenOf.get(of.call) ?? [];
    open.push(...children.map((child) => ({ of: child, depth: depth + 1 })).reverse());
  }
  return tree;
}
