import { guestCore } from "./core.ts";
import { guestHarden } from "./harden.ts";
import { guestServices } from "./services.ts";
import { guestWeb } from "./web.ts";

/** Globals that are made when touched: by `guestWeb`, and by `guestServices`, which uses the former. */
const WEB =
  "DOMException btoa atob TextEncoder TextDecoder Event EventTarget AbortSignal AbortController structuredClone".split(
    " ",
  );
const SERVICES = "URL URLSearchParams crypto fetch scratch".split(" ");

/** What each run needs of the bootstrap, done once on a world that is thrown away: what was compiled for it stays in the snapshot. */
function practise(enter: (op: number, id: number, a?: unknown, b?: unknown, c?: unknown, d?: unknown) => void): void {
  "use strict";
  enter(5, 0, '{"seed":[1,2,3,4],"seeded":false,"now":null,"outLimit":99,"longest":99,"tools":{}}');
  // It fails at once, so that nothing waits when the snapshot is taken.
  enter(1, 0, {}, "default", "{}", false);
}

/**
 * The text that makes an isolate the guest's world. Run once a worker, into a V8 snapshot from which each isolate begins.
 * `Error.stackTraceLimit` MUST NOT be touched in it: V8 adds it to each new context, and traps where a snapshot has it.
 */
export function guestSource(): string {
  return `"use strict";{
const core=(${guestCore});
(${practise})(core(Object.create(null)).enter);
const kit=core(globalThis);
(${guestHarden})(kit);
kit.lazily(${JSON.stringify(WEB)},()=>(${guestWeb})(kit));
kit.lazily(${JSON.stringify(SERVICES)},()=>(${guestServices})(kit));
Object.defineProperty(globalThis,"__enter",{value:kit.enter,configurable:true});
}`;
}
