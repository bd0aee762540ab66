import { isObject, type LedgerRecord } from "@callgate/core";

const MOST = 200;

/**
 * What a record's error says. What a server wrote of it is in the result's payload alone: with `result`, that text, where it is one, cut
 * to 200 characters and not safe to print.
 */
export function errorText({ error }: LedgerRecord, result: string | undefined): string | undefined {
  if (!error || result === undefined || !(error.code === "tool-error" || error.code.startsWith("wire/")))
    return error?.message;
  return saidIn(result)?.slice(0, MOST) ?? error.message;
}

/** The message of a JSON-RPC error, or the first text of a result. */
function saidIn(result: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(result);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const content = Array.isArray(value["content"]) ? (value["content"][0] as unknown) : undefined;
  const text = value["message"] ?? (isObject(content) ? content["text"] : undefined);
  return typeof text === "string" ? text : undefined;
}
