import { digestOf, type Obligation } from "@callgate/core";
import { newEffort } from "@callgate/policy";
import { replaceAt, setAt } from "../json-path.ts";
import { redacted } from "../redact.ts";
import { canonicalText } from "../validate.ts";
import { type Life, type Refusal, refuse } from "./life.ts";

const AFTER = "after what a policy changed in the arguments";

/**
 * Does to the arguments what the permitting policies demand: redact, rewrite, clamp. What goes to the server is checked against its
 * schema again; arguments that no longer fit are a deny, and so is an obligation that cannot be carried out. MUST come before anyone
 * is asked to approve the call, so that they see what will run.
 */
export function oblige(life: Life): Refusal | undefined {
  const { decision, tool, request, argsText, argsDigest } = life;
  if (!decision || !argsDigest) throw new Error("oblige before decide");
  const obligations = decision.obligations.filter(changesArguments);
  if (obligations.length === 0) {
    life.sent = { args: request.args, text: argsText, digest: argsDigest, redacted: false };
    return undefined;
  }
  if (request.operation !== "tools/call")
    return refuse("obligation", "a policy demands a change of arguments that only tools have", "tell an operator");
  let args = request.args;
  let isRedacted = false;
  for (const obligation of obligations) {
    const changed = change(args, obligation);
    if ("refusal" in changed) return changed.refusal;
    if (obligation.kind === "redact" && changed.args !== args) isRedacted = true;
    args = changed.args;
  }
  const fault = tool?.checkArgs?.(args);
  if (fault)
    return {
      ...refuse("obligation", `${AFTER}, ${fault.told}`, "tell an operator: the policy does not fit the tool"),
      kept: `${AFTER}, ${fault.kept}`,
    };
  const text = canonicalText(args);
  if (text === undefined)
    return refuse(
      "obligation",
      `${AFTER}, they have no exact form as JSON`,
      "tell an operator: the policy does not fit the tool",
    );
  life.sent = { args, text, digest: digestOf(text), redacted: isRedacted };
  life.params = { ...request.params, arguments: args };
  return undefined;
}

type Change = Extract<Obligation, { kind: "rewrite" | "clamp" | "redact" }>;

function changesArguments(o: Obligation): o is Change {
  return o.kind === "rewrite" || o.kind === "clamp" || (o.kind === "redact" && o.target === "args");
}

/** The arguments after one obligation. */
function change(args: unknown, obligation: Change): { readonly args: unknown } | { readonly refusal: Refusal } {
  const { rule, path } = obligation;
  switch (obligation.kind) {
    case "rewrite":
      return { args: setAt(args, path, obligation.value) };
    case "clamp": {
      let misfit = false;
      const clamped = replaceAt(args, path, (old) => {
        if (typeof old === "number" || typeof old === "bigint") return nearest(old, obligation);
        misfit = true;
        return old;
      });
      if (!misfit) return { args: clamped };
      const refusal = refuse(
        "obligation",
        "a policy keeps a number of the arguments within bounds, and something else stands in its place",
        "send the number as a number, not as a text",
      );
      return { refusal: { ...refusal, errors: [{ rule, message: `\`${path}\` is no number` }] } };
    }
    case "redact":
      try {
        return { args: redacted(args, obligation, newEffort()) };
      } catch {
        const message = `\`${path}\` could not be looked through`;
        const refusal = refuse(
          "obligation",
          "a policy takes something out of the arguments, and they could not be looked through",
          "send shorter texts",
        );
        return { refusal: { ...refusal, errors: [{ rule, message }] } };
      }
    default:
      return obligation satisfies never;
  }
}

function nearest(value: number | bigint, { min, max }: { min?: number; max?: number }): number | bigint {
  if (min !== undefined && value < min) return min;
  return max !== undefined && value > max ? max : value;
}
