import { fileURLToPath } from "node:url";
import { CallgateError } from "@callgate/core";
import { parseVerifierKey } from "../note.ts";
import type { Anchor } from "./anchor.ts";
import { commandAnchor } from "./command.ts";
import { fileAnchor } from "./file.ts";
import { witnessAnchor } from "./http.ts";

/** How far an anchor may be behind. */
export interface Lag {
  /** So many records that it has not seen. */
  readonly records?: number;
  /** So long, in milliseconds, that it has not seen a record. */
  readonly ms?: number;
}

/** Where checkpoints are kept outside the data folder. */
export interface AnchorTarget {
  /** `file:<path>`, `http://..` or `https://..` of a witness, or `command:<program> <arguments>`. */
  readonly to: string;
  /** Refuse to start while it cannot be asked (default false: go on without). */
  readonly required?: boolean;
  /** While the anchor lacks more than that, no call runs: see `Lag`. */
  readonly lag?: Lag;
  /** The witness's verifier key, if its signatures are to be checked. */
  readonly vkey?: string;
}

/** What an anchor is called, in texts and in files: as it was configured, without a name and a password in its address. */
export function anchorName(to: string): string {
  return to.replace(/^(https?:\/\/)[^/?#]*@/, "$1");
}

/** Opens an anchor; nothing is asked of it yet. Throws `ANCHOR_INVALID`. */
export function openAnchor({ to, vkey }: AnchorTarget): Anchor {
  const key = vkey === undefined ? undefined : parseVerifierKey(vkey);
  if (vkey !== undefined && key === undefined)
    throw invalid(`\`${vkey}\` is not a witness's key`, "write the line that `callgate witness` prints as its key");
  if (to.startsWith("file://")) return fileAnchor(to, fileURLToPath(to));
  if (/^https?:\/\/./.test(to) && URL.canParse(to)) return witnessAnchor(anchorName(to), to, key);
  const [kind, ...rest] = to.split(":");
  const where = rest.join(":").trim();
  if (kind === "file" && where !== "") return fileAnchor(to, where);
  if (kind === "command" && where !== "") return commandAnchor(to, where);
  throw invalid(
    `\`${anchorName(to)}\` is not an anchor`,
    "write `file:/path`, `https://witness.example.org` or `command:program argument`",
  );
}

function invalid(message: string, help: string): CallgateError {
  return new CallgateError("ANCHOR_INVALID", message, { help });
}
