import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CallgateError, isObject, messageOf } from "@callgate/core";
import { jsonOf } from "./calls.ts";

/** The newest checkpoint of a log that a place outside its folder holds. */
export interface AnchoredNote {
  /** As it was named. */
  readonly anchor: string;
  readonly size: number;
  readonly note: string;
}

/** The newest checkpoint of a log in a file of anchored ones; undefined if there is none. Throws `BAD_ARGUMENT` if it cannot be read. */
export function newestAnchored(anchor: string, log: string): AnchoredNote | undefined {
  const path = anchor.startsWith("file://") ? fileURLToPath(anchor) : anchor.replace(/^file:/, "");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new CallgateError("BAD_ARGUMENT", `the anchor \`${anchor}\` cannot be read: ${messageOf(error)}`, {
      help: "name a file as in `--anchor file:/mnt/anchor`",
    });
  }
  let newest: AnchoredNote | undefined;
  for (const line of text.split("\n")) {
    const value = jsonOf(line);
    const note = isObject(value) ? value["note"] : undefined;
    if (typeof note !== "string") continue;
    const [origin, size] = note.split("\n", 2);
    if (origin !== `callgate/${log}` || !/^[1-9]\d{0,15}$/.test(size ?? "")) continue;
    if (Number(size) > (newest?.size ?? 0)) newest = { anchor, size: Number(size), note };
  }
  return newest;
}
