import { guestCore } from "./core.ts";
import { guestServices } from "./services.ts";
import { guestWeb } from "./web.ts";

/** The text that makes an isolate the guest's world. Run in every isolate, before any guest code. */
export function guestSource(): string {
  return `"use strict";{const kit=(${guestCore})();(${guestWeb})(kit);(${guestServices})(kit);}`;
}
