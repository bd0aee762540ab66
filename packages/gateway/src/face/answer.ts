import { isObject, parseJson, stringifyJson, writableJson } from "@callgate/core";
import type { Answer } from "../exchange.ts";
import { IDENTITY } from "../identity.ts";
import { ENVELOPE, type Era, type RequestId } from "../upstream/message.ts";

/** The JSON-RPC response for an answer, as text. A result's own text goes in byte for byte; it is in the era's shape already. */
export function responseText(id: RequestId, answer: Answer, era: Era): string {
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},`;
  if ("resultText" in answer) return `${head}"result":${answer.resultText}}`;
  if ("result" in answer)
    return `${head}"result":${stringifyJson(era === "modern" ? stamped(answer.result) : answer.result)}}`;
  return `${head}"error":${stringifyJson(answer.error)}}`;
}

/** A result of the stateless era says what it is and who gave it (MCP 2026-07-28). */
function stamped(result: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const meta = isObject(result["_meta"]) ? result["_meta"] : {};
  return { resultType: "complete", ...result, _meta: { [ENVELOPE.serverInfo]: IDENTITY, ...meta } };
}

/** The answer's result as a value that the SDK writes exactly, for faces that it serves. Throws the error of an error answer. */
export function resultOf(answer: Answer): Record<string, unknown> {
  if ("error" in answer)
    throw Object.assign(new Error(answer.error.message), {
      code: answer.error.code,
      data: writableJson(answer.error.data),
    });
  return writableJson("result" in answer ? answer.result : parseJson(answer.resultText)) as Record<string, unknown>;
}
