import { parentPort } from "node:worker_threads";
import { messageOf } from "@callgate/core";
import { placeOf } from "./place.ts";
import { literalsIn, planIn, readScript, TOO_DEEP } from "./plan.ts";
import type { StudyAnswer } from "./study.ts";

// `stripTypeScriptTypes` says once that it is experimental: that is for us to know, not for an operator's terminal.
process.removeAllListeners("warning");

/** What Node says of a text that is no erasable TypeScript; any other error leaves its parser in a state that nobody knows. */
const READABLE = new Set(["ERR_INVALID_TYPESCRIPT_SYNTAX", "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"]);

parentPort?.on("message", (script: string) => {
  let answer: StudyAnswer;
  try {
    const { code, tree } = readScript(script);
    answer = { code, plan: planIn(tree), literals: literalsIn(tree) };
  } catch (error) {
    const cause = (error as { cause?: { code?: string; name?: string } }).cause;
    const broken = cause?.code !== undefined && !READABLE.has(cause.code);
    if (broken || error instanceof RangeError) answer = { error: TOO_DEEP, broken };
    else {
      const place = cause && placeOf(cause, script);
      // The parser's own place is that in the wrapped text.
      const said = (messageOf(error).split("\n", 1)[0] as string).replace(/ \(\d+:\d+\)$/, "");
      answer = { error: said, broken, ...(place && { place }) };
    }
  }
  parentPort?.postMessage(answer);
});
parentPort?.postMessage("ready");
