import type { LibraryBuilder } from "../env.ts";
import { invalid } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import type { Value } from "../value.ts";
import { text } from "./standard.ts";

/** The parts of a path after `.` and `..` are worked out; `up` counts the `..` that lead out of a relative one. */
interface Parsed {
  /** `/` or `c:/`; empty for a relative path. */
  readonly root: string;
  readonly parts: readonly string[];
  readonly up: number;
}

function parsePath(path: string): Parsed {
  const drive = /^[A-Za-z]:(?=\/)/.exec(path)?.[0].toLowerCase() ?? "";
  const rest = path.slice(drive.length);
  const root = rest.startsWith("/") ? `${drive}/` : "";
  const parts: string[] = [];
  let up = 0;
  for (const part of rest.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0) parts.pop();
    else if (root === "") up += 1;
  }
  return { root, parts, up };
}

function within(path: Parsed, root: Parsed): boolean {
  if (path.root !== root.root || path.up !== root.up || path.parts.length < root.parts.length) return false;
  return root.parts.every((part, i) => path.parts[i] === part);
}

/** Every way in which a tool may read the path: as it is, with backslashes as separators, and percent-decoded. */
function readings(path: string): string[] {
  const forms = new Set([path]);
  const slashed = path.replaceAll("\\", "/");
  forms.add(slashed);
  let decoded = slashed;
  for (let round = 0; round < 2 && decoded.includes("%"); round++) {
    decoded = decoded
      .replace(/%(2e|2f|5c|00|25)/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replaceAll("\\", "/");
    forms.add(decoded);
  }
  return [...forms];
}

function checked(frame: Frame, value: Value): string {
  const path = text(value);
  spend(frame, 8 + (path.length >> 2));
  if (path === "") throw invalid("a path is empty");
  if (readings(path).some((form) => form.includes("\0"))) throw invalid("a path has a NUL character");
  return path;
}

function normal(path: string): string {
  const { root, parts, up } = parsePath(path);
  return `${root}${[...Array.from({ length: up }, () => ".."), ...parts].join("/")}` || ".";
}

/**
 * Functions on file paths as texts: nothing is looked up, so links are not followed. A path is under a root only if every
 * reading of it is.
 */
export function addPaths(lib: LibraryBuilder): void {
  lib.add("pathUnder", { global: ["string, string -> bool"] }, (frame, path, root) => {
    const wanted = parsePath(checked(frame, root).replaceAll("\\", "/"));
    return readings(checked(frame, path)).every((form) => within(parsePath(form), wanted));
  });
  lib.add("pathNormal", { global: ["string -> string"] }, (frame, path) => normal(checked(frame, path)));
  lib.add(
    "pathName",
    { global: ["string -> string"] },
    (frame, path) => parsePath(checked(frame, path)).parts.at(-1) ?? "",
  );
  lib.add("pathExtension", { global: ["string -> string"] }, (frame, path) => {
    const name = parsePath(checked(frame, path).replaceAll("\\", "/")).parts.at(-1) ?? "";
    const dot = name.lastIndexOf(".");
    return dot > 0 ? name.slice(dot).toLowerCase() : "";
  });
}
