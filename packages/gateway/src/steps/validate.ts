import { digestOf, jsonDepth } from "@callgate/core";
import { canonicalText, checkLimits } from "../validate.ts";
import { type Life, type Refusal, refuse } from "./life.ts";

const CORRECT = "correct the arguments and call again";

/** Arguments against the ceilings and the tool's JSON Schema; the state of a multi-round request against its seal. */
export function validate(life: Life): Refusal | undefined {
  const { gate, request, tool, exchange, grant } = life;
  if (!tool) throw new Error("validate before resolve");
  // Depth before anything that recurses over the arguments.
  if (jsonDepth(request.args, gate.limits.depth + 1) > gate.limits.depth)
    return refuse(
      "invalid-arguments",
      `the arguments nest deeper than ${gate.limits.depth} levels`,
      "flatten the arguments",
    );
  const text = canonicalText(request.args);
  if (text === undefined)
    return refuse(
      "invalid-arguments",
      "the arguments hold a number beyond 1.8e308 or half a surrogate pair, which have no exact form",
      CORRECT,
    );
  const beyond = checkLimits(request.args, text, gate.limits, tool.limits.argumentBytes);
  life.argsText = text;
  life.argsDigest = digestOf(text);
  if (beyond !== undefined) return refuse("invalid-arguments", beyond, CORRECT);
  const fault = tool.checkArgs?.(request.args);
  if (fault) return { ...refuse("invalid-arguments", fault.told, CORRECT), kept: fault.kept };
  if (exchange.requestState === undefined && exchange.inputResponses === undefined) return undefined;
  const { agent, user } = grant.principal;
  life.round = gate.seal.open(exchange.requestState, { agent, user, tool: request.name, args: life.argsDigest });
  if (life.round) return undefined;
  // An answer to a question that was never asked of this principal about this very call: forged, replayed or stale.
  return {
    ...refuse(
      "invalid-state",
      "the request carries answers or a state that the broker did not give out for this call, or that expired",
      "send the call again without them",
    ),
    wire: "invalid-state",
  };
}
