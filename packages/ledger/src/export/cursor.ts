import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CallgateError, isObject, messageOf } from "@callgate/core";
import { writeDurably } from "../folder.ts";
import { takeLease } from "../lease.ts";

/** How far an export got: everything that it is about, up to `seq`, is at the target. */
export interface CursorPlace {
  readonly seq: number;
  /** Bytes of the target, if it is a file. */
  readonly bytes?: number;
}

/** A file that remembers how far one export got. Held by one process at a time. */
export interface ExportCursor {
  readonly path: string;
  /** Undefined where nothing was exported yet. */
  readonly place: CursorPlace | undefined;
  /** Durable once it returns; whoever looks sees the place before or this one. */
  save(place: CursorPlace): void;
  close(): void;
}

/**
 * Opens a cursor for an export of `log`. `what` says what is exported, and how: a cursor of another export is refused, because its seq says nothing about
 * this one. `anew` forgets what the file says. Throws `EXPORT_CURSOR`, or `EXPORT_BUSY` if another process exports with it.
 */
export function openCursor(file: string, log: string, what: string, anew = false): ExportCursor {
  const path = resolve(file);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const lease = takeLease(
    `${path}.lock`,
    (cause) =>
      new CallgateError("EXPORT_BUSY", `another process exports with the cursor \`${path}\``, {
        help: "stop it first, or name another cursor and another target",
        cause,
      }),
  );
  try {
    let place = existsSync(path) && !anew ? readPlace(path, log, what) : undefined;
    return {
      path,
      get place() {
        return place;
      },
      save(next) {
        writeDurably(path, `${JSON.stringify({ v: 1, log, what, ...next })}\n`, 0o600);
        place = next;
      },
      close: () => {
        lease.close();
      },
    };
  } catch (error) {
    lease.close();
    throw error;
  }
}

function readPlace(path: string, log: string, what: string): CursorPlace {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw refused(path, `cannot be read: ${messageOf(cause)}`, cause);
  }
  const { v, seq, bytes, ...of } = isObject(value) ? value : {};
  if (v !== 1 || !isCount(seq) || (bytes !== undefined && !isCount(bytes))) throw refused(path, "is not one");
  if (of["log"] !== log) throw refused(path, `belongs to another ledger, \`${String(of["log"])}\``);
  if (of["what"] !== what) throw refused(path, `belongs to another export, \`${String(of["what"])}\``);
  return { seq, ...(bytes !== undefined && { bytes }) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function refused(path: string, why: string, cause?: unknown): CallgateError {
  return new CallgateError("EXPORT_CURSOR", `the cursor \`${path}\` ${why}`, {
    help: "name another one with `--cursor`, or begin anew with `--from 1`",
    cause,
  });
}
