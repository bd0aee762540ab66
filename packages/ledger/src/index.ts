export { openLedger } from "./open.ts";
export type { Finding, Ledger, LedgerFilter, LedgerOptions, LedgerReader, Verification } from "./port.ts";
export { openReader } from "./reader.ts";
