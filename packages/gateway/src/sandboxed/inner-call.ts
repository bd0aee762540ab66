import { isObject, parseJson, qualifiedName } from "@callgate/core";
import type { GuestAnswer, GuestCall } from "@callgate/sandbox";
import { governCall } from "../call.ts";
import { OWN_SERVER } from "../config/names.ts";
import type { Answer, Exchange } from "../exchange.ts";
import type { CallRequest, Life } from "../steps/life.ts";
import type { GuestRun } from "./guest-run.ts";

/** Members of `_meta` that tie the calls of a run to the trace of the call that runs it. */
const TRACE = ["traceparent", "tracestate", "baggage"];
const MAX_MESSAGE = 2_000;

/**
 * Makes a call that code in the sandbox asks for, on the same path as any other, as the principal that started the run. Never
 * rejects.
 */
export async function innerCall(
  life: Life,
  run: GuestRun,
  { server, name, args }: GuestCall,
  signal: AbortSignal,
): Promise<GuestAnswer> {
  if (!isObject(args)) return { error: { code: "INVALID_ARGUMENTS", message: "a tool takes one object of arguments" } };
  const { gate, grant, session, tool } = life;
  // A guest's fetch is an operation of the server that its code belongs to.
  const isFetch = server === OWN_SERVER && name === "fetch";
  const request: CallRequest = isFetch
    ? { operation: "sandbox/fetch", name: `${tool?.server}/sandbox/fetch`, args, params: args }
    : {
        operation: "tools/call",
        name: qualifiedName(gate.naming, server, name),
        args,
        params: { name, arguments: args },
      };
  const exchange = innerExchange(life.exchange, run);
  const stop = (): void => {
    exchange.cancelled = true;
    exchange.onCancel?.("the run that made the call is over");
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const answer = await governCall(gate, grant, session, request, exchange);
    return run.end ? { end: run.end } : guestAnswer(answer);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The exchange of a call inside a run: what the call says reaches the agent's client, and no answer does. */
export function innerExchange(outer: Exchange, run: GuestRun): Exchange {
  const meta = Object.fromEntries(Object.entries(outer.meta ?? {}).filter(([key]) => TRACE.includes(key)));
  return {
    era: outer.era,
    // A question can only be asked while the agent's request is open: the stateless era asks by answering.
    capabilities: outer.ask ? outer.capabilities : {},
    ...(outer.ask && { ask: (callback) => (outer.ask as NonNullable<Exchange["ask"]>)(callback) }),
    notify(method, params) {
      if (method === "notifications/message") outer.notify(method, params);
    },
    onCancel: undefined,
    cancelled: false,
    ...(Object.keys(meta).length > 0 && { meta }),
    ...(outer.logLevel !== undefined && { logLevel: outer.logLevel }),
    within: run,
  };
}

/** Rules of the broker's own that say something else to a script than that it may not. */
const CODES: Readonly<Record<string, string>> = {
  "callgate/timeout": "TOOL_TIMEOUT",
  "callgate/unreachable": "TOOL_UNREACHABLE",
  "callgate/cancelled": "CANCELLED",
  "callgate/invalid-arguments": "INVALID_ARGUMENTS",
  "callgate/unknown": "UNKNOWN_TOOL",
};

/** What a script gets for an answer: the structured content, else the text, else the whole result; or a typed error. */
export function guestAnswer(answer: Answer): GuestAnswer {
  if ("error" in answer) return refusal(answer.error.message, answer.error.data, "TOOL_ERROR");
  const result = "result" in answer ? answer.result : (parseJson(answer.resultText) as Record<string, unknown>);
  const text = textOf(result["content"]);
  const meta = isObject(result["_meta"]) ? result["_meta"] : {};
  const structured = result["structuredContent"];
  if (result["isError"] === true)
    return refusal(text ?? "the tool failed", meta["io.callgate/denial"] ?? structured, "TOOL_ERROR");
  if (structured !== undefined) return { result: structured };
  return { result: text ?? result["content"] ?? null };
}

function refusal(message: string, denial: unknown, otherwise: string): GuestAnswer {
  if (!isObject(denial) || typeof denial["rule"] !== "string") {
    const own = isObject(denial) && typeof denial["fetch"] === "string" ? denial["fetch"] : otherwise;
    return {
      error: { code: own, message: message.slice(0, MAX_MESSAGE), ...(denial !== undefined && { data: denial }) },
    };
  }
  const { rule, reason } = denial;
  // A call that a person must answer first: the run cannot go on, and can be taken up when they have.
  if (rule === "callgate/approval-pending") return { end: { code: "HELD", message: String(reason) } };
  const code = CODES[rule] ?? (denial["record"] === undefined ? "CALL_FAILED" : "POLICY_DENIED");
  return { error: { code, message: String(reason).slice(0, MAX_MESSAGE), data: denial } };
}

/** The text of a result that has nothing else. */
function textOf(content: unknown): string | undefined {
  if (!Array.isArray(content)) return undefined;
  const texts = content.flatMap((block: unknown) =>
    isObject(block) && block["type"] === "text" && typeof block["text"] === "string" ? [block["text"]] : [],
  );
  return texts.length === content.length ? texts.join("\n") : undefined;
}
