import { isObject, type Label } from "@callgate/core";
import { partsOf } from "./flow-watch.ts";
import type { Gate } from "./gate.ts";
import type { Session } from "./session.ts";

/**
 * Items of a server's list go to the agent. Nobody pinned what they say, so that they are untrusted whatever the manifest says of them;
 * `labels` are what it says. MUST be called before the agent can see them.
 */
export function overhearList(
  session: Session,
  list: string,
  labels: readonly Label[],
  items: readonly unknown[],
): void {
  if (items.length > 0) takeIn(session, list, labels, items, sizeOf(items));
}

/** The same for a message of a server that belongs to no call: it carries the labels of all that the server has. */
export function overhear(
  gate: Gate,
  session: Session,
  server: string,
  params: Readonly<Record<string, unknown>> | undefined,
): void {
  const parts = partsOf(params ?? {});
  if (parts.length === 0) return;
  const labels = [...gate.registry.all()].flatMap((entry) => (entry.server === server ? entry.labels : []));
  takeIn(session, `${server}/notifications`, labels, parts, sizeOf(parts));
}

/** About how many characters a value holds, keys and structure included. */
export function sizeOf(value: unknown): number {
  let size = 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    size += 8;
    if (typeof next === "string") size += next.length;
    else if (Array.isArray(next)) for (const item of next) open.push(item);
    else if (isObject(next))
      for (const [key, item] of Object.entries(next)) {
        size += key.length;
        open.push(item);
      }
  }
  return size;
}

function takeIn(
  { state }: Session,
  tool: string,
  own: readonly Label[],
  parts: readonly unknown[],
  size: number,
): void {
  const labels = [...new Set<Label>(["untrusted", ...own])];
  state.mark(labels);
  state.watch?.observe({ tool, labels }, parts, size);
}
