export { openLedger } from "./open.ts";
export type {
  CallFilter,
  CallScan,
  Finding,
  Ledger,
  LedgerFilter,
  LedgerOptions,
  LedgerReader,
  PayloadName,
  RecordedRow,
  Verification,
} from "./port.ts";
export { openReader } from "./reader.ts";
