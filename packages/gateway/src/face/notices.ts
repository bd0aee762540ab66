import type { ListKind } from "../broker.ts";

/** The notification that says which list changed. */
export function changeNotice(kind: ListKind): { method: `notifications/${ListKind}/list_changed` } {
  return { method: `notifications/${kind}/list_changed` };
}
