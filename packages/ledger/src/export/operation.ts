import type { LedgerRecord } from "@callgate/core";
import { toolColumn } from "../columns.ts";

/** What a call did, in the words of MCP. */
export interface McpOperation {
  /** As policies and queries name it: `server__tool`, `server/method`. */
  readonly name: string;
  /** The tool's own name; undefined for what is not a tool. */
  readonly tool: string | undefined;
  /** The server's name; undefined for what no server has. */
  readonly server: string | undefined;
  /** The MCP method, as in `tools/call`. */
  readonly method: string;
}

/**
 * The operation that a record is about; undefined for a record that is about no call. The names of tools hold no slash, so that
 * one says that the record names a method. What no server has is taken for the tool that was asked for.
 */
export function operationOf({ tool }: LedgerRecord): McpOperation | undefined {
  if (tool === undefined) return undefined;
  const isMethod = tool.server !== "" && tool.name.includes("/");
  return {
    name: toolColumn(tool),
    tool: isMethod ? undefined : tool.name,
    server: tool.server === "" ? undefined : tool.server,
    method: isMethod ? tool.name : "tools/call",
  };
}

/** The key by which a receiver knows a record that comes twice: `<log>/<seq>`. */
export function recordKey(record: LedgerRecord): string {
  return `${record.log}/${record.seq}`;
}

/** A record in one short sentence. Names in it are those that agents and servers gave: not safe to print as it is. */
export function sentenceOf(record: LedgerRecord): string {
  const { kind, status, error, decision, detail } = record;
  const what = operationOf(record)?.name ?? kind;
  switch (kind) {
    case "intent":
      return `${what} was allowed and is about to run`;
    case "outcome":
      return `${what} ended: ${status ?? "unknown"}${error === undefined ? "" : `: ${error.message}`}`;
    case "denial":
      return `${what} was denied: ${error?.message ?? "no reason recorded"}`;
    case "approval":
      return `approval of ${what}: ${text(detail?.["state"])}${decision?.approver === undefined ? "" : ` by ${decision.approver}`}`;
    case "callback":
      return `the server of ${what} asked the client for ${text(detail?.["method"])}`;
    case "boot":
      return "the broker started";
    case "config":
      return "the configuration changed";
    case "clock":
      return "the system clock went back";
    case "session":
      return `a harness declared a session: ${text(detail?.["state"])}`;
    case "seal":
      return "a segment of the ledger was sealed";
    case "recovery":
      return "the ledger was recovered";
    default:
      return kind satisfies never;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "unknown";
}
