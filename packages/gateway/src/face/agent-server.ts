import type { Grant } from "@callgate/core";
import { isObject, writableJson } from "@callgate/core";
import { type JSONRPCRequest, type Result, Server, type ServerContext } from "@modelcontextprotocol/server";
import type { Broker } from "../broker.ts";
import type { Exchange } from "../exchange.ts";
import { IDENTITY } from "../identity.ts";
import type { Session } from "../session.ts";
import type { Callback } from "../upstream/link.ts";
import { ENVELOPE, type Era, LEGACY_VERSIONS, MODERN_VERSION } from "../upstream/message.ts";
import { resultOf } from "./answer.ts";

/** Whose requests a server instance serves. */
export interface Caller {
  readonly grant: Grant;
  readonly session: Session;
}

/**
 * The SDK's server with everything but the handshake handed to the relay: it speaks the protocol, the broker answers. Results pass
 * through unparsed, because the handler is the fallback one, which no result schema is applied to. Without `relays` it knows no
 * method beside the handshake, which is how a stateless request for an unknown one gets its 404.
 */
export function agentServer(broker: Broker, era: Era, caller: () => Caller, relays = true): Server {
  const server = new Server(
    { ...IDENTITY },
    { capabilities: broker.capabilities(), supportedProtocolVersions: [MODERN_VERSION, ...LEGACY_VERSIONS] },
  );
  server.removeRequestHandler("logging/setLevel");
  if (!relays) return server;
  server.fallbackRequestHandler = async (request: JSONRPCRequest, ctx: ServerContext): Promise<Result> => {
    const { grant, session } = caller();
    const exchange = exchangeOf(server, era, ctx);
    const { _meta: _m, ...params } = (request.params ?? {}) as Record<string, unknown>;
    const stop = (): void => {
      exchange.cancelled = true;
      exchange.onCancel?.("the agent cancelled the call");
    };
    ctx.mcpReq.signal.addEventListener("abort", stop, { once: true });
    return resultOf(await broker.relay.handle(request.method, params, grant, session, exchange)) as Result;
  };
  return server;
}

/** One request that the SDK serves, as the life of a call sees it. */
function exchangeOf(server: Server, era: Era, ctx: ServerContext): Exchange {
  const { mcpReq } = ctx;
  const envelope = mcpReq.envelope as Record<string, unknown> | undefined;
  const declared = era === "modern" ? envelope?.[ENVELOPE.clientCapabilities] : server.getClientCapabilities();
  const level = envelope?.[ENVELOPE.logLevel];
  const { progressToken, ...meta } = (mcpReq._meta ?? {}) as Record<string, unknown>;
  const state = mcpReq.requestState();
  return {
    era,
    capabilities: isObject(declared) ? declared : {},
    notify: (method, params) =>
      void mcpReq
        .notify({ method, ...(params && { params: writableJson(params) }) } as Parameters<typeof mcpReq.notify>[0])
        .catch(() => {}),
    ...(era === "legacy" && {
      ask: (callback: Callback) =>
        mcpReq.send(
          {
            method: callback.method,
            ...(callback.params && { params: writableJson({ ...callback.params }) as Record<string, unknown> }),
          },
          ANYTHING,
          {
            timeout: ASK_MS,
          },
        ) as Promise<object>,
    }),
    onCancel: undefined,
    cancelled: false,
    progressToken: progressToken as string | number | undefined,
    meta: Object.keys(meta).length > 0 ? meta : undefined,
    logLevel: typeof level === "string" ? level : undefined,
    inputResponses: mcpReq.inputResponses,
    requestState: state,
  };
}

/** How long a client may take to answer a question, in milliseconds: a person may be behind it. */
export const ASK_MS = 10 * 60_000;

/** A schema that takes every result as it is: what a client answers is the server's business. */
export const ANYTHING = {
  "~standard": {
    version: 1 as const,
    vendor: "callgate",
    validate: (value: unknown) => ({ value: value as Record<string, unknown> }),
  },
};
