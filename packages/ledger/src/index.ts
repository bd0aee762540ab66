export type { Finding, Ledger, LedgerFilter, LedgerOptions, LedgerReader, Verification } from "./port.ts";
