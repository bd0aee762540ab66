import { writableJson } from "@callgate/core";
import type { Server } from "@modelcontextprotocol/server";
import { EVERYTHING } from "../callbacks.ts";
import type { Gate } from "../gate.ts";
import { overhear } from "../overhear.ts";
import type { Session } from "../session.ts";
import { carriesSecret } from "../steps/answers.ts";
import type { LinkOwner } from "../upstream/link.ts";
import { WIRE_CODES } from "../upstream/message.ts";
import { RefusedRequest } from "../upstream/peer.ts";
import { ANYTHING, ASK_MS } from "./agent-server.ts";

/** Notifications from a server that belong to no call and that an agent may get. */
const PASSED_ON = new Set([
  "notifications/message",
  "notifications/resources/updated",
  "notifications/elicitation/complete",
  // These lists are asked of the session's own link, so what changed there concerns this session alone.
  "notifications/resources/list_changed",
  "notifications/prompts/list_changed",
]);

/** The client behind an SDK server instance, as the owner of upstream links. What passes is taken in by its session first. */
export function sessionOwner(
  server: () => Server | undefined,
  name: string,
  gate: Gate,
  session: () => Session,
): LinkOwner {
  const sessionful = (): Server | undefined => {
    const s = server();
    return s?.getClientCapabilities() !== undefined && s.getNegotiatedProtocolVersion()?.startsWith("2025")
      ? s
      : undefined;
  };
  return {
    name,
    get capabilities() {
      return (sessionful()?.getClientCapabilities() as Record<string, unknown> | undefined) ?? EVERYTHING;
    },
    async onRequest(callback, from = "") {
      const s = sessionful();
      if (!s)
        throw new RefusedRequest({
          code: WIRE_CODES.methodNotFound,
          message: "the client cannot be asked outside a call",
        });
      overhear(gate, session(), from, callback.params);
      const request = { method: callback.method, ...(callback.params && { params: writable(callback.params) }) };
      const answer = (await s.request(request, ANYTHING, { timeout: ASK_MS })) as object;
      // No call, and so no decision, stands behind this answer: what is secret MUST NOT leave with it.
      if (carriesSecret(session().state.watch, from, answer))
        throw new RefusedRequest({ code: WIRE_CODES.invalidRequest, message: "the client gave no answer" });
      return answer;
    },
    onNotification(method, params, from = "") {
      if (!PASSED_ON.has(method)) return;
      overhear(gate, session(), from, params);
      void server()
        ?.notification({ method, ...(params && { params: writable(params) }) } as Parameters<Server["notification"]>[0])
        .catch(() => {});
    },
  };
}

/** Params that the SDK can write: it knows no BigInt. */
function writable(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return writableJson({ ...params }) as Record<string, unknown>;
}
