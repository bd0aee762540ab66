import { digestOf, isObject, type Obligation, stringifyJson } from "@callgate/core";
import type { Answer } from "../exchange.ts";
import { IDENTITY } from "../identity.ts";
import { redactError, redactResult } from "../redact.ts";
import { ENVELOPE, type WireError } from "../upstream/message.ts";
import type { UpstreamFailure } from "../upstream/peer.ts";
import type { Reply } from "../upstream/wire.ts";
import { DENIED_CODE, toolError } from "./deny.ts";
import { judgeError, judgeResult, withheld } from "./judge-result.ts";
import type { Life, Outcome } from "./life.ts";
import type { GuestEnd, Ran } from "./run.ts";
import { sliceResult } from "./slice-result.ts";
import { watch } from "./watch.ts";

const SERVED_BY = `"_meta":${JSON.stringify({ [ENVELOPE.serverInfo]: IDENTITY })},`;

/** Looks at what came back: size, output schema, labels, and the shape that the agent's era expects. Never throws. */
export function inspect(life: Life, ran: Ran): Outcome {
  if (ran.kind === "failed") return failed(life, ran.failure, ran.ms);
  if (ran.kind === "ask") return { answer: ran.answer, status: "input_required", ms: ran.ms };
  if (ran.kind === "refused")
    return {
      answer: { error: ran.error },
      status: "error",
      error: { code: `wire/${ran.error.code}`, message: ran.error.message },
      ms: ran.ms,
    };
  const { reply, ms } = ran;
  const { message } = reply;
  if (message.error) {
    try {
      return refused(life, message.error, ms);
    } catch {
      return blocked(life, "invalid-result", "the server's error could not be inspected", ms);
    }
  }
  if (!isObject(message.result)) return blocked(life, "invalid-result", "the server's answer is not a result", ms);
  try {
    return judged(life, reply, message.result, ran.era, ms, ran.guest);
  } catch {
    return blocked(life, "invalid-result", "the result could not be inspected", ms);
  }
}

/** What a server writes is in the payload alone: a leaf can be neither redacted nor shredded. */
const TOOL_FAILED = { code: "tool-error", message: "the tool reported an error" } as const;
const SERVER_FAILED = "the server answered with an error";

/** A JSON-RPC error is text of the server like any result, and is recorded as one. */
function refused(life: Life, received: WireError, ms: number): Outcome {
  const said = typeof received.message === "string" ? received : { ...received, message: String(received.message) };
  const verdict = judgeError(life, said);
  if (verdict?.verdict === "block") return withheld(life, verdict, ms);
  const obligations = [...(life.decision?.obligations ?? []), ...(verdict?.obligations ?? [])];
  const error = redactError(said, obligations);
  if (!error) return unreadable(life, ms);
  const limit = limitOf(life, obligations);
  if (Buffer.byteLength(stringifyJson(error)) > limit) return tooLarge(life, limit, ms);
  carry(life, error, obligations);
  return {
    answer: { error },
    status: "error",
    error: { code: `wire/${Number.isSafeInteger(error.code) ? error.code : "other"}`, message: SERVER_FAILED },
    text: stringifyJson(error),
    ms,
  };
}

function judged(
  life: Life,
  reply: Reply,
  received: Record<string, unknown>,
  era: "legacy" | "modern",
  ms: number,
  guest: GuestEnd | undefined,
): Outcome {
  const { tool, gate, exchange, request, decision } = life;
  if (!tool) throw new Error("inspect before resolve");
  const verdict = judgeResult(life, received, reply);
  if (verdict?.verdict === "block") return withheld(life, verdict, ms);
  const obligations = [...(decision?.obligations ?? []), ...(verdict?.obligations ?? [])];
  const result = redactResult(received, obligations);
  if (!result) return unreadable(life, ms);
  const shaped = reshape(
    result,
    result === received ? reply : { message: reply.message },
    era,
    exchange.era,
    tool.wrapsResult,
  );
  const limit = limitOf(life, obligations);
  const text = shaped.text ?? stringifyJson(shaped.result);
  if (text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit))
    return tooLarge(life, limit, ms);
  const isError = received["isError"] === true;
  if (request.operation === "tools/call" && tool.checkResult && !isError) {
    const structured = received["structuredContent"];
    const fault = structured === undefined ? "it has no structuredContent" : tool.checkResult(structured)?.told;
    if (fault) {
      // It names members of the result, which are the server's words: for operators alone.
      gate.log.debug({ call: life.id, tool: request.name, fault }, "a result does not fit its output schema");
      return blocked(life, "invalid-result", "the result does not fit the tool's output schema", ms);
    }
  }
  carry(life, result, obligations);
  const answer: Answer = shaped.text === undefined ? { result: shaped.result } : { resultText: shaped.text };
  return {
    answer,
    status: isError ? "error" : "ok",
    ...(isError && { error: guest?.error ?? TOOL_FAILED }),
    ...(guest && { detail: guest.detail }),
    text,
    digest: digestOf(text),
    ms,
  };
}

/** What goes to the agent is seen from now on, and what policies demand with it is done. */
function carry(life: Life, seen: object, obligations: readonly Obligation[]): void {
  watch(life, seen);
  for (const obligation of obligations) {
    if (obligation.kind === "label") life.session.state.mark([obligation.label]);
    if (obligation.kind === "notify")
      life.gate.log.warn(
        { call: life.id, rule: obligation.rule, channel: obligation.channel, tool: life.request.name },
        "a policy asked to be told of this call",
      );
  }
}

/** The most bytes that the agent may get. */
function limitOf({ gate, tool }: Life, obligations: readonly Obligation[]): number {
  const caps = obligations.flatMap((o) => (o.kind === "cap" && o.resultBytes !== undefined ? [o.resultBytes] : []));
  return Math.min(gate.limits.resultBytes, tool?.limits.resultBytes ?? Number.POSITIVE_INFINITY, ...caps);
}

/** The result in the agent's era; its exact text where nothing had to change. */
function reshape(
  result: Record<string, unknown>,
  reply: Reply,
  from: "legacy" | "modern",
  to: "legacy" | "modern",
  wraps: boolean,
): { result: Record<string, unknown>; text: string | undefined } {
  if (from === to)
    return { result, text: reply.text === undefined ? undefined : sliceResult(reply.text, reply.message) };
  if (to === "modern") {
    const text = reply.text === undefined ? undefined : sliceResult(reply.text, reply.message);
    if (text === undefined || text === "{}" || "resultType" in result)
      return { result: { ...result, resultType: "complete" }, text: undefined };
    // Servers of the stateless era say on every result who they are.
    const own = "_meta" in result ? "" : SERVED_BY;
    return { result, text: `{"resultType":"complete",${own}${text.slice(1)}` };
  }
  const { resultType: _type, ...older } = result;
  const structured = older["structuredContent"];
  // Clients of the older era know objects alone (MCP 2026-07-28, SEP-2106).
  if (structured !== undefined && (wraps || !isObject(structured))) older["structuredContent"] = { result: structured };
  return { result: older, text: undefined };
}

const LESS = "ask for less: a smaller range, a filter, or a page";

function tooLarge(life: Life, limit: number, ms: number): Outcome {
  return blocked(life, "result-too-large", `the result is over ${limit} bytes`, ms, LESS);
}

function unreadable(life: Life, ms: number): Outcome {
  const message = "a policy takes something out of the result, which is too large to be looked through";
  return blocked(life, "obligation", message, ms, LESS);
}

/** The result is withheld: the call happened, and the agent is told why it sees nothing of it. */
function blocked(life: Life, rule: string, message: string, ms: number, remedy?: string): Outcome {
  return {
    answer: failure(life, `callgate/${rule}`, message, remedy),
    status: "error",
    error: { code: `callgate/${rule}`, message },
    ms,
  };
}

function failed(life: Life, error: UpstreamFailure, ms: number): Outcome {
  const status = error.reason === "timeout" ? "timeout" : error.reason === "cancelled" ? "cancelled" : "error";
  const remedy =
    error.reason === "timeout"
      ? "try a smaller request"
      : error.reason === "unreachable"
        ? "try again in a moment"
        : undefined;
  if (error.told !== error.message)
    life.gate.log.debug({ call: life.id, tool: life.request.name, err: error.message }, "a server failed");
  return {
    answer: failure(life, `callgate/${error.reason}`, error.told, remedy),
    status,
    error: { code: `callgate/${error.reason}`, message: error.told },
    ms,
  };
}

function failure(life: Life, rule: string, message: string, remedy: string | undefined): Answer {
  const denial = { rule, reason: message, ...(remedy !== undefined && { remedy }), call: life.id };
  if (life.request.operation !== "tools/call") return { error: { code: DENIED_CODE, message, data: denial } };
  return toolError(
    `The call failed: ${message}.${remedy === undefined ? "" : `\nWhat to do: ${remedy}.`}\nRule: ${rule}.`,
    denial,
  );
}
