import type { Life, Refusal } from "./life.ts";

/** Reads what cannot be decided on unread: the code that a call runs here. */
export async function study(life: Life): Promise<Refusal | undefined> {
  return await life.tool?.upstream.study?.(life);
}
