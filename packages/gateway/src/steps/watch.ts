import { isObject } from "@callgate/core";
import { OWN_SERVER } from "../config/names.ts";
import { partsOf } from "../flow-watch.ts";
import { sizeOf } from "../overhear.ts";
import type { Life } from "./life.ts";

/**
 * Something that a server said goes to the agent, or into the run that asked: a result, an error, a log message, a question. From then on
 * the session carries the tool's labels, and the values in it have an origin. MUST be called before anybody can see it.
 */
export function watch(life: Life, message: unknown): void {
  const { tool, session, request, sent, guest, exchange } = life;
  if (!tool) throw new Error("watch before resolve");
  const { within } = exchange;
  const { watch } = session.state;
  // What code made may be made of all that came into it.
  const labels = guest ? [...new Set([...tool.labels, ...guest.labels])] : tool.labels;
  session.state.mark(labels);
  within?.saw(tool.qualified, labels, guest?.marks);
  if (!watch || !isObject(message)) return;
  const parts = partsOf(message);
  // What a result echoes is what the server got, or what the agent wrote.
  const args = sent && sent.args !== request.args ? [request.args, sent.args] : request.args;
  const observed = {
    tool: tool.qualified,
    labels,
    flow: tool.flow,
    args,
    call: life.id,
    derived: isDerived(life),
    ...(guest && { from: guest.marks }),
  };
  if (!within) return watch.observe(observed, parts, sizeOf(parts));
  const found = watch.observeNow(observed, parts);
  session.state.mark(found);
  within.saw(tool.qualified, found);
}

/**
 * Whether a result is put together of what the code was given, so that it is no record of anything: a script's always; a module's where
 * it reached nothing, or a run calls it; what the broker's own tools tell of others.
 */
function isDerived({ script, guest, tool, exchange }: Life): boolean {
  if (script || tool?.server === OWN_SERVER) return true;
  return guest !== undefined && (exchange.within !== undefined || !guest.hasRead);
}
