import { isObject } from "@callgate/core";
import { partsOf } from "../flow-watch.ts";
import type { Life } from "./life.ts";

/**
 * Something that a server said goes to the agent: a result, an error, a log message, a question. From then on the session carries the
 * tool's labels, and the values in it have an origin. MUST be called before the agent can see it.
 */
export function watch(life: Life, message: unknown): void {
  const { tool, session, request } = life;
  if (!tool) throw new Error("watch before resolve");
  session.state.mark(tool.labels);
  if (!session.state.watch || !isObject(message)) return;
  const parts = partsOf(message);
  const observed = { tool: tool.qualified, labels: tool.labels, flow: tool.flow, args: request.args, call: life.id };
  session.state.watch.observe(observed, parts, sizeOf(parts));
}

/** About how many characters a value holds, keys and structure included. */
function sizeOf(value: unknown): number {
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
