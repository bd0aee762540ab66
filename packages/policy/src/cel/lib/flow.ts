import { type ArgumentRole, type CallFacts, isObject, ROLES } from "@callgate/core";
import { isGrounded } from "../../flow/grounded.ts";
import type { LibraryBuilder } from "../env.ts";
import { Fault, invalid, NO_OVERLOAD } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import type { Value } from "../value.ts";
import { text } from "./standard.ts";

const UNKNOWN: readonly string[] = Object.freeze(["unknown"]);
const NONE: readonly string[] = Object.freeze([]);
const MAX_SCALARS = 10_000;

/** The texts of all scalars in a value that can have an origin: strings and numbers. */
function scalars(frame: Frame, value: unknown, into: string[]): string[] {
  spend(frame, 1);
  if (into.length >= MAX_SCALARS) throw invalid("a value has too many scalars for its origin to be told");
  if (typeof value === "string") into.push(value);
  else if (typeof value === "number" || typeof value === "bigint") into.push(String(value));
  else if (Array.isArray(value)) for (const item of value) scalars(frame, item, into);
  else if (isObject(value)) {
    // A number that is not a plain JSON one, or a map the rule built itself, has no origin that was watched.
    if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) throw NO_OVERLOAD;
    for (const item of Object.values(value)) scalars(frame, item, into);
  }
  return into;
}

const NO_CALL = new Fault("no_such_variable", "there is no call whose flow could be read");

/** The call being decided. A constant MUST NOT be folded while loading, when there is none. */
function callOf(frame: Frame): CallFacts {
  if (frame.facts === undefined) throw NO_CALL;
  return frame.facts as CallFacts;
}

function originsOf(frame: Frame, scalar: string): readonly string[] {
  const flow = callOf(frame).flow;
  return flow && Object.hasOwn(flow.origins, scalar) ? (flow.origins[scalar] as readonly string[]) : UNKNOWN;
}

function insideOf(frame: Frame, scalar: string): readonly string[] {
  const flow = callOf(frame).flow;
  return flow && Object.hasOwn(flow.inside, scalar) ? (flow.inside[scalar] as readonly string[]) : NONE;
}

function role(value: Value): ArgumentRole {
  const name = text(value);
  if (!(ROLES as readonly string[]).includes(name)) throw invalid("there is no such role of arguments");
  return name as ArgumentRole;
}

function withRole(frame: Frame, value: Value): Value {
  const wanted = role(value);
  const { tool, args } = callOf(frame);
  if (!isObject(args)) return [];
  const found: string[] = [];
  for (const [name, given] of Object.entries(args)) {
    if (tool.arguments && Object.hasOwn(tool.arguments, name) && tool.arguments[name] === wanted)
      scalars(frame, given, found);
  }
  return found;
}

/** Where values came from: `origin(x)`, `grounded(x)`, `inside(x)`, `withRole("destination")`. */
export function addFlow(lib: LibraryBuilder): void {
  lib.add("origin", { global: ["dyn -> list<string>"] }, (frame, value) => {
    callOf(frame);
    const union = new Set<string>();
    for (const scalar of scalars(frame, value, [])) for (const origin of originsOf(frame, scalar)) union.add(origin);
    spend(frame, union.size);
    return [...union].sort();
  });
  lib.add("grounded", { global: ["dyn -> bool"] }, (frame, value) =>
    scalars(frame, value, []).every((scalar) => scalar.trim() === "" || isGrounded(originsOf(frame, scalar))),
  );
  lib.add("inside", { global: ["dyn -> list<string>"] }, (frame, value) => [
    ...new Set(scalars(frame, value, []).flatMap((scalar) => insideOf(frame, scalar))),
  ]);
  lib.add("withRole", { global: ["string -> list<string>"] }, withRole);
}
