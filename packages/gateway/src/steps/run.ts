import { messageOf } from "@callgate/core";
import { allowedCapabilities, type Callback, callbackAllowed, EVERYTHING } from "../callbacks.ts";
import type { Answer } from "../exchange.ts";
import type { Link } from "../upstream/link.ts";
import { WIRE_CODES, type WireError } from "../upstream/message.ts";
import { paramHeaders } from "../upstream/param-headers.ts";
import { UpstreamFailure } from "../upstream/peer.ts";
import { type Dispatch, Running } from "../upstream/running.ts";
import type { Reply } from "../upstream/wire.ts";
import { answersTo, answerTo } from "./answers.ts";
import { aside, asideQuestion, asideQuestions } from "./aside.ts";
import { DENIED_CODE } from "./deny.ts";
import type { Life } from "./life.ts";
import { recordCallback } from "./record.ts";
import { wantsLog } from "./wants-log.ts";

/** What running gave: a reply to look at, a question for the agent to come back with, or a failure. */
export type Ran =
  | {
      readonly kind: "reply";
      readonly reply: Reply;
      readonly era: "legacy" | "modern";
      readonly ms: number;
      readonly guest?: GuestEnd;
    }
  | { readonly kind: "ask"; readonly answer: Answer; readonly ms: number }
  | { readonly kind: "refused"; readonly error: WireError; readonly ms: number }
  | { readonly kind: "failed"; readonly failure: UpstreamFailure; readonly ms: number };

/** How a run in the sandbox ended, for the record. */
export interface GuestEnd {
  /** Why it gave no value. The message MUST be the broker's own. */
  readonly error?: { readonly code: string; readonly message: string };
  /** What it used, and what else the record is to say; small. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Sends the call to its server and relays what the server asks on the way. Never rejects. */
export async function run(life: Life): Promise<Ran> {
  const began = performance.now();
  const { exchange } = life;
  let running: Running | undefined;
  try {
    if (exchange.cancelled) throw new UpstreamFailure("cancelled", "the agent cancelled the call");
    const here = await life.tool?.upstream.runHere?.(life);
    if (here) return here;
    const link = life.round?.kind === "parked" ? undefined : await linkFor(life);
    const done = link && life.request.inPlace?.(link);
    if (link && done)
      return {
        kind: "reply",
        reply: { message: { result: done } },
        era: link.negotiated.era,
        ms: performance.now() - began,
      };
    running = open(life, link);
    const current = running;
    exchange.onCancel = (reason) => current.cancel(new UpstreamFailure("cancelled", reason));
    if (exchange.cancelled) current.cancel(new UpstreamFailure("cancelled", "the agent cancelled the call"));
    for (;;) {
      const step = await running.next();
      if (step.kind === "reply") {
        exchange.onCancel = undefined;
        return {
          kind: "reply",
          reply: step.reply,
          era: running.heldOpen ? "legacy" : "modern",
          ms: performance.now() - began,
        };
      }
      if (exchange.ask) {
        running.answer(await Promise.race([askAll(life, step.requests), running.cancelled()]), step.state);
        continue;
      }
      const beyond = Object.keys(step.requests).filter((key) => !permitted(life, step.requests[key] as Callback));
      const { shown, withheld } = beyond.length > 0 ? NOTHING_SHOWN : asideQuestions(life, step.requests);
      if (beyond.length === 0 && withheld.length === 0) {
        const answer = leaveToAgent(life, running, { ...step, requests: shown });
        // What waits now belongs to the next round: the end of this one's connection MUST NOT cancel it.
        exchange.onCancel = undefined;
        return { kind: "ask", answer, ms: performance.now() - began };
      }
      if (!running.heldOpen) {
        running.cancel(new UpstreamFailure("cancelled", "the client cannot answer"));
        return {
          kind: "refused",
          error: withheld.length > 0 ? WITHHELD : beyondClient(beyond.map((key) => step.requests[key] as Callback)),
          ms: performance.now() - began,
        };
      }
      // A server that holds the connection may ask for its own ends, such as for roots: it is told no, and the call goes on.
      for (const key of withheld) recordCallback(life, (step.requests[key] as Callback).method, false);
      running.decline([...beyond, ...withheld]);
    }
  } catch (error) {
    const failure =
      error instanceof UpstreamFailure
        ? error
        : new UpstreamFailure("unreachable", messageOf(error), error, "the call could not be made");
    running?.cancel(failure);
    exchange.onCancel = undefined;
    return { kind: "failed", failure, ms: performance.now() - began };
  }
}

function linkFor(life: Life): Promise<Link> {
  const { tool, session, exchange } = life;
  if (!tool) throw new Error("run before resolve");
  return tool.upstream.link(exchange.era, session.linkKey(tool.upstream.config.connection), session.owner);
}

/** Sends a new request over the link, or takes a parked one up again. */
function open(life: Life, link: Link | undefined): Running {
  const { tool, session, exchange, request, reservation, round } = life;
  if (!tool) throw new Error("run before resolve");
  const voice: Pick<Dispatch, "onProgress" | "onNotification"> = {
    onNotification: (method, params) => {
      if (
        method !== "notifications/message" ||
        (tool.upstream.config.manifest.logging && wantsLog(life, params?.["level"]))
      ) {
        const passed = aside(life, method, params ?? {});
        if (passed) exchange.notify(method, passed);
      }
    },
    onProgress:
      exchange.progressToken === undefined
        ? undefined
        : (params) => {
            const { progressToken: _own, ...said } = params;
            const passed = aside(life, "notifications/progress", said);
            if (passed) exchange.notify("notifications/progress", { ...passed, progressToken: exchange.progressToken });
          },
  };
  if (!link || round?.kind === "parked") {
    const parked = round?.kind === "parked" ? life.gate.parking.take(round.parked) : undefined;
    if (!parked)
      throw new UpstreamFailure(
        "unreachable",
        "the server no longer waits for this answer: send the call again without it",
      );
    parked.redirect(voice);
    const answers = exchange.inputResponses ?? {};
    // By what the server asked: the keys of the answers are the agent's own words.
    parked.answer(
      Object.fromEntries(parked.shown().map(([key, { method }]) => [key, answerTo(life, method, answers[key])])),
    );
    return parked;
  }
  const timeout = Math.min(
    tool.upstream.config.timeout,
    reservation?.wall ?? Number.POSITIVE_INFINITY,
    tool.limits.wall ?? Number.POSITIVE_INFINITY,
  );
  const logLevel = exchange.logLevel ?? session.logLevel;
  const capabilities = allowedCapabilities(tool.upstream.config.manifest.callbacks, exchange.capabilities);
  const running = new Running(link, {
    method: request.operation,
    params: life.meta ? { ...life.params, _meta: life.meta } : life.params,
    timeout,
    ...(tool.paramHeaders.length > 0 &&
      link.negotiated.era === "modern" && { headers: paramHeaders(tool.paramHeaders, life.params["arguments"]) }),
    meta: { capabilities, ...(logLevel !== undefined && { logLevel }) },
    ...voice,
  });
  if (round?.kind === "relayed")
    running.start({
      responses: answersTo(life, exchange.inputResponses ?? {}),
      ...(round.state !== undefined && { state: round.state }),
    });
  else running.start();
  return running;
}

/** Asks the agent's client, one question after another, on the open request (sessionful era). */
async function askAll(life: Life, requests: Readonly<Record<string, Callback>>): Promise<Record<string, unknown>> {
  const responses: Record<string, unknown> = {};
  for (const [key, callback] of Object.entries(requests)) {
    const question = permitted(life, callback) ? asideQuestion(life, callback) : undefined;
    const response =
      question &&
      (await life.exchange
        .ask?.(question)
        .catch(
          (error: unknown) =>
            void life.gate.log.debug({ call: life.id, err: messageOf(error) }, "a callback got no answer"),
        ));
    const answer = answerTo(life, callback.method, response);
    if (answer) responses[key] = answer;
  }
  return responses;
}

/** The agent, of the stateless era, is answered with the questions and comes back with a sealed state. */
function leaveToAgent(
  life: Life,
  running: Running,
  step: { requests: Readonly<Record<string, Callback>>; state?: string },
): Answer {
  const { gate, grant, request, argsDigest, approver, decision } = life;
  const { agent, user } = grant.principal;
  const binding = { agent, user, tool: request.name, args: argsDigest ?? "" };
  const approved =
    approver !== undefined && decision ? { approved: { by: approver, policies: decision.policies } } : {};
  let requestState: string;
  if (running.heldOpen) {
    const parked = gate.parking.park(running);
    if (parked === undefined) throw new UpstreamFailure("unreachable", "too many calls wait for answers already");
    requestState = gate.seal.seal({ kind: "parked", parked, call: life.id, ...approved }, binding);
  } else
    requestState = gate.seal.seal(
      { kind: "relayed", ...(step.state !== undefined && { state: step.state }), call: life.id, ...approved },
      binding,
    );
  return { result: { resultType: "input_required", inputRequests: step.requests, requestState } };
}

/** The questions of a step that are not shown. */
const NOTHING_SHOWN = { shown: {}, withheld: [] } as const;

const WITHHELD: WireError = {
  code: DENIED_CODE,
  message: "the server asks something that a policy about its results withholds",
};

/** What the client would need to be able to do to answer. Names what MCP has alone: a method is the server's own words. */
function beyondClient(needed: readonly Callback[]): WireError {
  const families = [...new Set(needed.map(familyOf))].filter((family) => family in EVERYTHING);
  const requiredCapabilities = Object.fromEntries(families.map((family) => [family, {}]));
  return {
    code: WIRE_CODES.missingCapability,
    message: `the server asks for ${families.length === 0 ? "something" : families.map((f) => `\`${f}\``).join(", ")}, which the client did not declare or the manifest does not allow`,
    data: { requiredCapabilities },
  };
}

function permitted(life: Life, callback: Callback): boolean {
  return (
    life.tool !== undefined &&
    callbackAllowed(life.tool.upstream.config.manifest.callbacks, callback.method) &&
    familyOf(callback) in life.exchange.capabilities
  );
}

function familyOf(callback: Callback): string {
  return callback.method.split("/")[0] as string;
}
