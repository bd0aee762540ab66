import { type ResultDecision, stringifyJson } from "@callgate/core";
import { partsOf } from "../flow-watch.ts";
import type { WireError } from "../upstream/message.ts";
import type { Reply } from "../upstream/wire.ts";
import { DENIED_CODE, toolError } from "./deny.ts";
import type { Life, Outcome } from "./life.ts";
import { sliceResult } from "./slice-result.ts";

/** What the result policies make of what came back; undefined where none speaks about it, so that nobody looks inside. */
export function judgeResult(
  life: Life,
  received: Readonly<Record<string, unknown>>,
  reply: Reply,
): ResultDecision | undefined {
  const { policies, facts, tool, grant } = life;
  if (!policies || !facts || !tool) throw new Error("a result before its decision");
  if (!policies.hasResultRules(tool, grant.principal)) return undefined;
  const { content, contents, messages, structuredContent } = received;
  const texts = partsOf({ content, contents, messages }).filter((part) => typeof part === "string");
  const whole = reply.text === undefined ? undefined : sliceResult(reply.text, reply.message);
  life.judged = policies.decideResult(facts, {
    ...(structuredContent !== undefined && { structured: structuredContent }),
    text: texts.join("\n"),
    isError: received["isError"] === true,
    bytes: Buffer.byteLength(whole ?? stringifyJson(received)),
  });
  return life.judged;
}

/** The same for a JSON-RPC error, which is judged as a result that says it failed. */
export function judgeError(life: Life, error: WireError): ResultDecision | undefined {
  const { policies, facts, tool, grant } = life;
  if (!policies || !facts || !tool) throw new Error("an error before its decision");
  if (!policies.hasResultRules(tool, grant.principal)) return undefined;
  const { message, data } = error;
  life.judged = policies.decideResult(facts, {
    text: data === undefined ? message : `${message}\n${stringifyJson(data)}`,
    isError: true,
    bytes: Buffer.byteLength(stringifyJson(error)),
  });
  return life.judged;
}

/** The answer in place of a result that policies block: the call happened, and the agent is told why it sees nothing of it. */
export function withheld(life: Life, judged: ResultDecision, ms: number): Outcome {
  const [first] = judged.reasons;
  if (!first) throw new Error("a result is blocked without a reason");
  const { rule, message, remedy } = first;
  const denial = {
    rule,
    reason: message,
    ...(remedy !== undefined && { remedy }),
    ...(judged.reasons.length > 1 && { rules: judged.reasons.map((r) => r.rule) }),
    call: life.id,
  };
  life.exchange.refused = {
    kind: "withheld",
    rule,
    reason: message,
    ...(remedy !== undefined && { remedy }),
    call: life.id,
  };
  const text = `The result is withheld: ${message}. The call itself was made.${remedy === undefined ? "" : `\nWhat to do: ${remedy}.`}\nRule: ${rule}.`;
  const answer =
    life.request.operation === "tools/call"
      ? toolError(text, denial)
      : { error: { code: DENIED_CODE, message: `the result is withheld: ${message}`, data: denial } };
  return { answer, status: "error", error: { code: rule, message }, ms };
}
