import type { Fields } from "./fields.ts";
import type { Phase } from "./phase.ts";

/**
 * How much a policy counts. `observe`: that it held is recorded, and no more. `shadow`: what it would have changed is recorded too.
 * `enforce`: it decides.
 */
const MODES = ["observe", "shadow", "enforce"] as const;
export type Mode = (typeof MODES)[number];

/** How a policy is rolled out. `canary`: globs of the agents for whom it is enforced, in shadow for everyone else. */
export interface RolledOut {
  readonly mode: Mode;
  readonly canary?: readonly string[];
}

/** Reads `mode` and `canary`. */
export function readMode(fields: Fields, phase: Phase): RolledOut {
  const mode = fields.oneOf("mode", MODES) ?? "enforce";
  const canary = fields.texts("canary");
  if (phase === "list") {
    // Lists leave no record, so that a trial would show nothing.
    for (const name of ["mode", "canary"])
      if (fields.has(name) && !(name === "mode" && mode === "enforce"))
        fields.refuse(name, `a \`list\` policy has no \`${name}\``, "try it with `agents`, for a few agents first");
    return { mode: "enforce" };
  }
  if (!fields.has("canary")) return { mode };
  if (mode !== "enforce")
    fields.refuse(
      "canary",
      `\`canary\` does not go with \`mode: ${mode}\``,
      "leave `mode` out: a canary is enforced for the agents it names, and in shadow for everyone else",
    );
  if (canary?.length === 0)
    fields.refuse("canary", "`canary` is empty", 'name agents, such as `["beta-*"]`, or write `mode: shadow`');
  return canary ? { mode, canary } : { mode };
}
