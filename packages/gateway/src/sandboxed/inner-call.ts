import { isObject, parseJson, qualifiedName, stringifyJson } from "@callgate/core";
import type { GuestAnswer, GuestCall } from "@callgate/sandbox";
import { governCall, type Preview, previewCall } from "../call.ts";
import { OWN_SERVER } from "../config/names.ts";
import type { Answer, Exchange, Refused } from "../exchange.ts";
import type { CallRequest, Life } from "../steps/life.ts";
import type { GuestRun } from "./guest-run.ts";

/** Members of `_meta` that tie the calls of a run to the trace of the call that runs it. */
const TRACE = ["traceparent", "tracestate", "baggage"];
const MAX_MESSAGE = 2_000;

/** The answer to a call whose arguments are no object. There is no record of one. */
export const NO_OBJECT: GuestAnswer = {
  error: { code: "INVALID_ARGUMENTS", message: "a tool takes one object of arguments" },
};

/** What came of a call that code in the sandbox asked for. */
export interface MadeCall {
  readonly answer: GuestAnswer;
  /** Of a run inside that waits for a person: what takes it up again, if anything does. */
  readonly held?: { readonly resume: string | undefined } | undefined;
}

/**
 * Makes a call that code in the sandbox asks for, on the same path as any other, as the principal that started the run. Never
 * rejects.
 */
export async function innerCall(life: Life, run: GuestRun, call: GuestCall, signal: AbortSignal): Promise<MadeCall> {
  const request = requestOf(life, call);
  if (!request) return { answer: NO_OBJECT };
  const exchange = innerExchange(life.exchange, run);
  const stop = (): void => {
    exchange.cancelled = true;
    exchange.onCancel?.("the run that made the call is over");
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const answer = await governCall(life.gate, life.grant, life.session, request, exchange);
    const { refused, heldRun } = exchange;
    const reason = heldRun?.reason ?? (refused?.rule === "callgate/approval-pending" ? refused.reason : undefined);
    if (reason !== undefined && run.resumable) {
      run.end ??= { code: "HELD", message: reason };
      return { answer: { end: run.end }, held: heldRun };
    }
    // A call that was under way when another was held has its own end.
    if (run.end && run.end.code !== "HELD") return { answer: { end: run.end } };
    return {
      answer: request.operation === "sandbox/fetch" ? fetchAnswer(answer, refused) : guestAnswer(answer, refused),
    };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What would become of a call that code asks for. Counts it in the books of the run. */
export async function previewInner(life: Life, run: GuestRun, call: GuestCall): Promise<Preview["verdict"]> {
  const request = requestOf(life, call);
  if (!request) return "deny";
  const { gate, grant, session, exchange } = life;
  return (await previewCall(gate, grant, session, request, innerExchange(exchange, run))).verdict;
}

/** What a guest asks for as a request of its principal; undefined if it is none. */
export function requestOf({ gate, tool }: Life, { server, name, args }: GuestCall): CallRequest | undefined {
  if (!isObject(args)) return undefined;
  // A guest's fetch is an operation of the server that its code belongs to.
  if (server === OWN_SERVER && name === "fetch")
    return { operation: "sandbox/fetch", name: `${tool?.server}/sandbox/fetch`, args, params: args };
  const qualified = qualifiedName(gate.naming, server, name);
  return { operation: "tools/call", name: qualified, args, params: { name, arguments: args } };
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
  "callgate/approval-pending": "HELD",
};

/**
 * What a script gets for an answer: the structured content, else the text, else the whole result; or a typed error. `refused` is the
 * broker's own word that there is no result: what an answer says of itself is a server's.
 */
export function guestAnswer(answer: Answer, refused?: Refused): GuestAnswer {
  if (refused) return refusedAnswer(refused);
  if ("error" in answer) return failure("TOOL_ERROR", answer.error.message, answer.error.data);
  const result = "result" in answer ? answer.result : (parseJson(answer.resultText) as Record<string, unknown>);
  const text = textOf(result["content"]);
  const structured = result["structuredContent"];
  if (result["isError"] === true) return failure("TOOL_ERROR", text ?? "the tool failed", structured);
  return { resultText: stringifyJson(structured ?? text ?? result["content"] ?? null) };
}

/** The same for a call that gave no result. */
export function refusedAnswer({ kind, ...denial }: Refused): GuestAnswer {
  const otherwise = kind === "denied" ? "POLICY_DENIED" : "CALL_FAILED";
  return failure(CODES[denial.rule] ?? otherwise, denial.reason, denial);
}

/** What a module gets for its fetch: the response, or why there is none. */
function fetchAnswer(answer: Answer, refused: Refused | undefined): GuestAnswer {
  if (refused || !("error" in answer)) return guestAnswer(answer, refused);
  const { message, data } = answer.error;
  return failure(isObject(data) ? String(data["fetch"]) : "FETCH_FAILED", message, undefined);
}

function failure(code: string, message: string, data: unknown): GuestAnswer {
  return { error: { code, message: message.slice(0, MAX_MESSAGE), ...(data !== undefined && { data }) } };
}

/** The text of a result that has nothing else. */
function textOf(content: unknown): string | undefined {
  if (!Array.isArray(content)) return undefined;
  const texts = content.flatMap((block: unknown) =>
    isObject(block) && block["type"] === "text" && typeof block["text"] === "string" ? [block["text"]] : [],
  );
  return texts.length === content.length ? texts.join("\n") : undefined;
}
