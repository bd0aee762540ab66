import { holdsScopes } from "../listed.ts";
import type { Life, Refusal } from "./life.ts";

/** Reads what cannot be decided on unread: the code that a call runs here. */
export async function study(life: Life): Promise<Refusal | undefined> {
  const { tool, grant } = life;
  // Reading costs: it is done for those alone who may run what was read. `admit` refuses the others.
  return tool?.upstream.study && holdsScopes(grant, tool) ? await tool.upstream.study(life) : undefined;
}
