import { guestCore } from "./core.ts";
import { guestServices } from "./services.ts";
import { guestWeb } from "./web.ts";

/** The text that makes an isolate the guest's world. Run once to make the snapshot that every isolate starts from. */
export function guestSource(): string {
  return `"use strict";{const kit=(${guestCore})();(${guestWeb})(kit);(${guestServices})(kit);}`;
}
