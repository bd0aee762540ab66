export type { AnchorState } from "./anchor/anchoring.ts";
export { type AnchorTarget, anchorName, openAnchor } from "./anchor/open.ts";
export { type Cosigned, readCosigned } from "./cosigned.ts";
export { isEncryptedFile, openDataFile } from "./data-file.ts";
export { type Rekeyed, rekeyFolder } from "./encryption.ts";
export { type Evidence, openEvidence } from "./evidence.ts";
export { cefLine } from "./export/cef.ts";
export { type ExportCursor, openCursor } from "./export/cursor.ts";
export { openFileTarget } from "./export/file-target.ts";
export { jsonLine } from "./export/jsonl.ts";
export { ocsfEvent } from "./export/ocsf.ts";
export { proofText } from "./export/proof.ts";
export { cutOff, type Exported, runExport } from "./export/run.ts";
export { type CallSpan, callSpan, type RecordLog, recordLog, traceIdOf } from "./export/spans.ts";
export { syslogFrame, syslogMessage } from "./export/syslog.ts";
export type { ExportTarget, OutgoingRecord } from "./export/target.ts";
export { writeTiles } from "./export/tiles-target.ts";
export { type LedgerTree, openTree } from "./export/tree.ts";
export { type FileKey, heldFileKey, holdFileKey, parseFileKey } from "./file-key.ts";
export type { Keep } from "./keeping.ts";
export { archiveSegments, type OfflineOptions, sealLedger, shredSession } from "./offline.ts";
export { openLedger } from "./open.ts";
export type {
  CallFilter,
  CallScan,
  ConsistencyProof,
  Finding,
  InclusionProof,
  Ledger,
  LedgerFilter,
  LedgerOptions,
  LedgerReader,
  PayloadName,
  RecordedRow,
  ShownRecord,
  Verification,
} from "./port.ts";
export { formatQuery } from "./query/format.ts";
export { type ParsedQuery, parseQuery, type Query } from "./query/parse.ts";
export type { Term } from "./query/term.ts";
export { parseTime } from "./query/time.ts";
export { openReader, type ReaderOptions } from "./reader.ts";
export { sealText, unsealText } from "./sealed-text.ts";
export { type Filling, forgetSession, openFilling } from "./search/fill.ts";
export { type Indexer, openIndexer } from "./search/indexer.ts";
export { runSql, type SqlLimits, type SqlSink, type SqlValue } from "./sql/run.ts";
export { openWitness, type Witness, type WitnessOptions } from "./witness.ts";
