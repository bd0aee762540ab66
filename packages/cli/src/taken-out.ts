import { isObject } from "@callgate/core";
import type { LedgerReader } from "@callgate/ledger";

/**
 * What to tell of records that are not in the ledger any more, as in `records 1 to 900 were taken out (archived)`; undefined if all are
 * there. Who reads the rest MUST NOT take it for all that happened.
 */
export function takenOut(reader: LedgerReader): string | undefined {
  const last = reader.oldest() - 1;
  if (last < 1) return undefined;
  const ways = new Set<string>();
  for (const { detail } of reader.records({ kind: ["config"], order: "asc", limit: 1000 })) {
    const taken = detail?.["archived"];
    if (isObject(taken) && typeof taken["to"] === "number" && taken["to"] <= last)
      ways.add(taken["deleted"] === true ? "deleted" : "archived");
  }
  const how = ways.size === 0 ? "" : ` (${[...ways].join(" or ")})`;
  return `${last === 1 ? "record 1 was" : `records 1 to ${last} were`} taken out${how}`;
}

/** Tells it on the error output, where it is in the way of no program. */
export function tellTakenOut(reader: LedgerReader): void {
  const text = takenOut(reader);
  if (text !== undefined) console.error(text);
}
