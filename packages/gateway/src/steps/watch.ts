import { isObject } from "@callgate/core";
import { partsOf } from "../flow-watch.ts";
import { sizeOf } from "../overhear.ts";
import type { Life } from "./life.ts";

/**
 * Something that a server said goes to the agent: a result, an error, a log message, a question. From then on the session carries the
 * tool's labels, and the values in it have an origin. MUST be called before the agent can see it.
 */
export function watch(life: Life, message: unknown): void {
  const { tool, session, request, sent } = life;
  if (!tool) throw new Error("watch before resolve");
  session.state.mark(tool.labels);
  if (!session.state.watch || !isObject(message)) return;
  const parts = partsOf(message);
  // What a result echoes is what the server got, or what the agent wrote.
  const args = sent && sent.args !== request.args ? [request.args, sent.args] : request.args;
  const observed = { tool: tool.qualified, labels: tool.labels, flow: tool.flow, args, call: life.id };
  session.state.watch.observe(observed, parts, sizeOf(parts));
}
