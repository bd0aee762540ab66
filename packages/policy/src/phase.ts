import type { PolicyEffect } from "@callgate/core";
import type { Fields } from "./fields.ts";

/** What a policy is about: whether a call is made, whether a tool is shown in lists, or what becomes of a result. */
const PHASES = ["call", "list", "result"] as const;
export type Phase = (typeof PHASES)[number];

/** Reads `phase`, and checks that the effect is one that the phase has. */
export function readPhase(fields: Fields, effect: PolicyEffect): Phase {
  const phase = fields.oneOf("phase", PHASES) ?? "call";
  const { file } = fields;
  if (phase === "list" && effect !== "forbid")
    file.report(
      `a \`list\` policy cannot be \`${effect}\``,
      fields.value("effect"),
      "tools are shown unless a `forbid` hides them",
    );
  if (phase === "result" && effect === "ask")
    file.report(
      "a `result` policy cannot be `ask`",
      fields.value("effect"),
      "the call has happened: `forbid` withholds what came of it, and an `ask` of the `call` phase comes before it",
    );
  if (phase === "result" && effect === "permit" && !fields.has("obligations"))
    file.report(
      "a `result` policy that permits has no `obligations`",
      fields.value("effect"),
      'results are seen unless a `forbid` blocks them: add for example `obligations: [{ kind: redact, path: "$.content[*].text" }]`',
    );
  return phase;
}
