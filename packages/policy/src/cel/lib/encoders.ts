import type { LibraryBuilder } from "../env.ts";
import { invalid, NO_OVERLOAD } from "../fault.ts";
import { spend } from "../frame.ts";
import { text } from "./standard.ts";

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The encoders extension. */
export function addEncoders(lib: LibraryBuilder): void {
  lib.add("base64.encode", { global: ["bytes -> string"] }, (frame, value) => {
    if (!(value instanceof Uint8Array)) throw NO_OVERLOAD;
    spend(frame, value.length >> 4);
    return Buffer.from(value).toString("base64");
  });
  lib.add("base64.decode", { global: ["string -> bytes"] }, (frame, value) => {
    spend(frame, text(value).length >> 4);
    // Buffer skips what it does not know; a guard must not decode something else than the tool will.
    if (!BASE64.test(value as string) || (value as string).replace(/=+$/, "").length % 4 === 1)
      throw invalid("the text is not base64");
    return new Uint8Array(Buffer.from(value as string, "base64"));
  });
}
