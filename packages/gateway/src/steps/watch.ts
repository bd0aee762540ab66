import { isObject } from "@callgate/core";
import { partsOf } from "../flow-watch.ts";
import { sizeOf } from "../overhear.ts";
import type { Life } from "./life.ts";

/**
 * Something that a server said goes to the agent: a result, an error, a log message, a question. From then on the session carries the
 * tool's labels, and the values in it have an origin. MUST be called before the agent can see it.
 */
export function watch(life: Life, message: unknown): void {
  const { tool, session, request, sent, guest, exchange } = life;
  if (!tool) throw new Error("watch before resolve");
  // What code made may be made of all that it read.
  const labels = guest ? [...new Set([...tool.labels, ...guest.labels])] : tool.labels;
  session.state.mark(labels);
  exchange.within?.saw(tool.qualified, labels, guest?.marks);
  if (!session.state.watch || !isObject(message)) return;
  const parts = partsOf(message);
  // What a result echoes is what the server got, or what the agent wrote.
  const args = sent && sent.args !== request.args ? [request.args, sent.args] : request.args;
  const observed = {
    tool: tool.qualified,
    labels,
    flow: tool.flow,
    args,
    call: life.id,
    derived: life.script !== undefined,
  };
  session.state.watch.observe(observed, parts, sizeOf(parts));
}
