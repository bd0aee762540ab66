import { isObject } from "@callgate/core";

/** A JSON-RPC 2.0 request id as MCP allows it. */
export type RequestId = string | number;

/** The members of a JSON-RPC 2.0 message that the broker looks at; everything else passes through. */
export interface Message {
  readonly jsonrpc?: "2.0";
  readonly id?: RequestId;
  readonly method?: string;
  readonly params?: { readonly [key: string]: unknown };
  readonly result?: { readonly [key: string]: unknown };
  readonly error?: WireError;
}

/** A JSON-RPC 2.0 error object. */
export interface WireError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** JSON-RPC and MCP error numbers in use here (JSON-RPC 2.0 section 5.1; MCP 2025-11-25 and 2026-07-28). */
export const WIRE_CODES = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  connectionClosed: -32000,
  resourceNotFound: -32002,
  missingCapability: -32021,
  unsupportedVersion: -32022,
} as const;

/** True if the value has the shape of a JSON-RPC message. */
export function isMessage(value: unknown): value is Message {
  return isObject(value) && value["jsonrpc"] === "2.0";
}

/** The same of an agent: its ids MUST be safe integers or texts. One beyond 2^53 could be neither kept apart nor given back by the SDK. */
export function isAgentMessage(value: unknown): value is Message {
  return isMessage(value) && typeof (value.id as unknown) !== "bigint";
}

/** Keys of the per-request `_meta` envelope of MCP 2026-07-28. */
export const ENVELOPE = {
  version: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
} as const;

/** The protocol revision of the stateless era that the broker speaks. */
export const MODERN_VERSION = "2026-07-28";

/** Revisions of the sessionful era that the broker speaks, newest first. */
export const LEGACY_VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26"] as const;

/** The two ways MCP is spoken: with an `initialize` handshake, or with an envelope on every request. */
export type Era = "legacy" | "modern";
