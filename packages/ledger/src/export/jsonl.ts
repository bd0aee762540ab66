import { canonicalJson, type LedgerRecord } from "@callgate/core";

/** A record's payloads by name, as `LedgerReader.show` gives them. */
export type Payloads = { readonly [name: string]: string };

/**
 * A record as one line without its end. Without payloads the line is the leaf itself, byte for byte: SHA-256 over a zero byte and
 * the line is its hash in the tree. Payloads follow as one more member, `payloads`.
 */
export function jsonLine(record: LedgerRecord, payloads?: Payloads): string {
  const leaf = canonicalJson(record);
  if (payloads === undefined || Object.keys(payloads).length === 0) return leaf;
  return `${leaf.slice(0, -1)},"payloads":${JSON.stringify(payloads)}}`;
}
