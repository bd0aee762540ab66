import { isObject, roundedJson } from "@callgate/core";
import { standardHeaders } from "./http.ts";
import { ENVELOPE, type Era, LEGACY_VERSIONS, type Message, MODERN_VERSION } from "./message.ts";
import { type Peer, UpstreamFailure } from "./peer.ts";

/** Who the broker says it is, to servers and to agents. */
export interface Identity {
  readonly name: string;
  readonly version: string;
}

/** What the handshake settled. */
export interface Negotiated {
  readonly era: Era;
  readonly version: string;
  /** The server's capabilities, as it sent them. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>>;
  readonly instructions?: string;
}

/** Client capabilities, as MCP writes them. */
export type ClientCapabilities = Readonly<Record<string, unknown>>;

/** How to shake hands. */
export interface HandshakeOptions {
  readonly identity: Identity;
  readonly capabilities: ClientCapabilities;
  /** Which era to try first, and whether to try the other. */
  readonly prefer: Era;
  readonly only: boolean;
  /** Milliseconds for the whole handshake. */
  readonly timeout: number;
  /** Milliseconds to wait for `server/discover` before taking silence for a server of the older era; only stdio servers are silent. */
  readonly probeTimeout: number;
}

/** The server answered, but speaks no revision that we do. */
export class NoCommonVersion extends Error {}

/** Agrees with a server on an era and a revision. Rejects with `UpstreamFailure` or `NoCommonVersion`. */
export async function shakeHands(peer: Peer, options: HandshakeOptions): Promise<Negotiated> {
  const order: Era[] = options.prefer === "modern" ? ["modern", "legacy"] : ["legacy", "modern"];
  let last: unknown;
  for (const era of options.only ? order.slice(0, 1) : order) {
    try {
      return await (era === "modern" ? discover(peer, options) : initialize(peer, options));
    } catch (error) {
      last = error;
      // A lost connection is not an answer about eras; silence to a probe is.
      if (error instanceof UpstreamFailure && error.reason !== "timeout") throw error;
    }
  }
  throw last;
}

async function initialize(peer: Peer, options: HandshakeOptions): Promise<Negotiated> {
  const params = {
    protocolVersion: LEGACY_VERSIONS[0],
    capabilities: options.capabilities,
    clientInfo: { ...options.identity },
  };
  const { message } = await peer.request("initialize", params, { timeout: options.timeout }).reply;
  const result = resultOf(message, "initialize");
  const version = String(result["protocolVersion"]);
  if (!LEGACY_VERSIONS.includes(version as (typeof LEGACY_VERSIONS)[number]))
    throw new NoCommonVersion(`the server speaks MCP ${version}, the broker ${LEGACY_VERSIONS.join(", ")}`);
  peer.wire.negotiated(version, true);
  peer.notify("notifications/initialized");
  return settled("legacy", version, result, result["serverInfo"]);
}

async function discover(peer: Peer, options: HandshakeOptions): Promise<Negotiated> {
  const params = { _meta: envelope(options.identity, options.capabilities) };
  const headers = standardHeaders({ method: "server/discover", params });
  const timeout = options.only || options.prefer !== "modern" ? options.timeout : options.probeTimeout;
  const { message } = await peer.request("server/discover", params, { timeout, headers }).reply;
  const result = resultOf(message, "server/discover");
  const versions = result["supportedVersions"];
  if (!Array.isArray(versions) || !versions.includes(MODERN_VERSION))
    throw new NoCommonVersion(`the server speaks MCP ${JSON.stringify(versions)}, the broker ${MODERN_VERSION}`);
  peer.wire.negotiated(MODERN_VERSION, false);
  const meta = result["_meta"];
  return settled("modern", MODERN_VERSION, result, isObject(meta) ? meta[ENVELOPE.serverInfo] : undefined);
}

/** The `_meta` keys that every request of the stateless era carries. */
export function envelope(identity: Identity, capabilities: ClientCapabilities): Record<string, unknown> {
  return {
    [ENVELOPE.version]: MODERN_VERSION,
    [ENVELOPE.clientInfo]: { ...identity },
    [ENVELOPE.clientCapabilities]: capabilities,
  };
}

function resultOf(message: Message, method: string): Record<string, unknown> {
  if (message.error) throw new NoCommonVersion(`the server refused \`${method}\`: ${message.error.message}`);
  if (!isObject(message.result)) throw new NoCommonVersion(`the server's answer to \`${method}\` has no result`);
  // What is read here is handed to code that knows no BigInts, and pinned nowhere.
  return roundedJson(message.result) as Record<string, unknown>;
}

function settled(era: Era, version: string, result: Record<string, unknown>, serverInfo: unknown): Negotiated {
  const instructions = result["instructions"];
  return {
    era,
    version,
    capabilities: isObject(result["capabilities"]) ? result["capabilities"] : {},
    serverInfo: isObject(serverInfo) ? serverInfo : {},
    ...(typeof instructions === "string" && { instructions }),
  };
}
