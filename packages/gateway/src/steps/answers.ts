import { isObject } from "@callgate/core";
import type { FlowWatch } from "../flow-watch.ts";
import type { Life } from "./life.ts";
import { recordCallback } from "./record.ts";

/** Answers beyond this many to one round are dropped: the agent names the keys, and each answer is looked at and recorded. */
const MAX_ANSWERS = 100;

/** Why an answer did not go to the server, as the record names it. */
const SECRET_ANSWER = "callgate/secret-answer";

/**
 * The answer of the agent's client to a server's question, as it may go to the server, recorded; undefined if there is none. Policies
 * decide on a call's arguments, and an answer comes after them: one that carries a value marked `secret` MUST NOT go to a tool that
 * reaches outside.
 */
export function answerTo(life: Life, method: string, response: unknown): object | undefined {
  if (!isObject(response)) {
    recordCallback(life, method, false);
    return undefined;
  }
  const { tool, session, gate } = life;
  if (!tool?.effects.includes("external") || !carriesSecret(session.state.watch, tool.name, response)) {
    recordCallback(life, method, true);
    return response;
  }
  recordCallback(life, method, false, SECRET_ANSWER);
  gate.log.info({ call: life.id, tool: tool.qualified, method, rules: [SECRET_ANSWER] }, "an answer is withheld");
  return method === "elicitation/create" ? { action: "decline" } : undefined;
}

/** The answers that came back with a request of the stateless era, whose questions the agent names by key alone. */
export function answersTo(life: Life, answers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const passed: Record<string, unknown> = {};
  for (const [key, response] of Object.entries(answers).slice(0, MAX_ANSWERS)) {
    const answer = answerTo(life, methodOf(response), response);
    if (answer) passed[key] = answer;
  }
  return passed;
}

/** Whether a value in it has the origin `secret`, or nobody can tell. */
export function carriesSecret(watch: FlowWatch | undefined, tool: string, response: object): boolean {
  if (!watch) return false;
  const flow = watch.facts(tool, response);
  return !flow || Object.values(flow.origins).some((origins) => origins.includes("secret"));
}

/** What an answer answers, by its form (MCP 2026-07-28, input responses). */
function methodOf(response: unknown): string {
  if (isObject(response) && "roots" in response) return "roots/list";
  return isObject(response) && "action" in response ? "elicitation/create" : "sampling/createMessage";
}
