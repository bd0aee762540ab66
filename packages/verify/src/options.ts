import type { FileKeys } from "./encrypted.ts";
/** What to check, and against what. */
export interface VerifyOptions {
  /** A data folder, or the file `ledger.db` itself. */
  readonly ledger: string;
  /** Places outside that hold checkpoints: `file:PATH`, or the address of a witness. */
  readonly anchors?: readonly string[];
  /** Files that hold one signed checkpoint each. */
  readonly checkpoints?: readonly string[];
  /** The log's verifier key, or a file that holds it. Without one the folder's own is used, which vouches for nothing. */
  readonly vkey?: string;
  /** The log's verifier key of ML-DSA-44, or a file that holds it. */
  readonly secondVkey?: string;
  /** Verifier keys of the witnesses among the anchors, or files that hold one each. A witness that none of them signs for vouches for nothing. */
  readonly witnessKeys?: readonly string[];
  /** The key of the files, 64 hex digits, if they are encrypted; several where segments were archived under earlier ones. */
  readonly fileKey?: FileKeys;
  /** A folder with archived segments. */
  readonly segments?: string;
  /** Default: as many as the machine runs at a time, one for a small ledger. */
  readonly threads?: number;
  /** Decrypt every payload, where the keys are there; without it the first of each session. */
  readonly openAll?: boolean;
  /** Do not check that the indexes have what the tables say. */
  readonly skipIndexes?: boolean;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly findings: number;
}
