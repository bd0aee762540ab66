import { parentPort } from "node:worker_threads";
import { messageOf } from "@callgate/core";
import { literalsIn, planOf, scriptOf } from "./plan.ts";
import type { StudyAnswer } from "./study.ts";

// `stripTypeScriptTypes` says once that it is experimental: that is for us to know, not for an operator's terminal.
process.removeAllListeners("warning");

/** What Node says of a text that is no erasable TypeScript; any other error leaves its parser in a state that nobody knows. */
const READABLE = new Set(["ERR_INVALID_TYPESCRIPT_SYNTAX", "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"]);

parentPort?.on("message", (script: string) => {
  let answer: StudyAnswer;
  try {
    const code = scriptOf(script);
    answer = { code, plan: planOf(code), literals: literalsIn(code) };
  } catch (error) {
    const cause = (error as { cause?: { code?: string; name?: string } }).cause;
    const broken = cause?.code !== undefined && !READABLE.has(cause.code);
    answer = { error: broken ? "it is nested too deep" : (messageOf(error).split("\n", 1)[0] as string), broken };
  }
  parentPort?.postMessage(answer);
});
