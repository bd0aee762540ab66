import type { GuestKit } from "./core.ts";

/** Takes from the isolate what a guest must not have. MUST stand alone, as `guestCore` does; run once, in earnest. */
export function guestHarden(kit: GuestKit): void {
  "use strict";
  const { defineProperty, getPrototypeOf } = Object;
  const noCode = function Function(): never {
    throw new TypeError("code from strings is not allowed here");
  };
  const makers: object[] = [function () {}, async function () {}, function* () {}, async function* () {}];
  for (const maker of makers)
    defineProperty(getPrototypeOf(maker), "constructor", { value: noCode, writable: false, configurable: false });
  defineProperty(noCode, "prototype", { value: getPrototypeOf(makers[0] as object), writable: false });
  kit.define("Function", noCode);
  // A stack is text here. `prepareStackTrace` would hand frames, and with them functions, to the guest.
  defineProperty(Error, "prepareStackTrace", { value: undefined, writable: false, configurable: false });
  defineProperty(Math, "random", { value: kit.random, writable: false, configurable: false });
  // What tells when memory is collected, or makes code from text. `enter` removes the rest, which V8 adds to each context anew.
  for (const name of ["FinalizationRegistry", "WeakRef", "eval"]) delete kit.world[name];
}
