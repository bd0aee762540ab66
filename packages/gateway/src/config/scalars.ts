import { EFFECTS, LABELS, ROLES, SCOPE_TOKEN, SERVER_NAME } from "@callgate/core";
import * as z from "zod";
import { didYouMean } from "./suggest.ts";

/** What was written, cut to a length that fits a line. */
export function cut(value: string): string {
  return value.length > 60 ? `${value.slice(0, 60)}…` : value;
}

/** Refuses a value with a message and a help line; what `problems.ts` turns into a diagnostic. */
function refuse(ctx: z.RefinementCtx, input: unknown, message: string, help: string): never {
  ctx.issues.push({ code: "custom", message, input, params: { help } });
  return z.NEVER;
}

/** `title` is what messages and the reference call the type. */
function text(title: string, pattern: RegExp, help: string, example: string) {
  return z
    .string()
    .meta({ title, pattern: pattern.source, example: example })
    .transform((value, ctx) =>
      pattern.test(value)
        ? value
        : refuse(ctx, value, `${value ? `\`${cut(value)}\`` : "an empty text"} is not a ${title}`, help),
    );
}

function oneOf<const T extends readonly string[]>(title: string, values: T) {
  return z
    .string()
    .meta({ title, enum: [...values], example: values[0] })
    .transform((value, ctx): T[number] =>
      values.includes(value)
        ? value
        : refuse(ctx, value, `\`${cut(value)}\` is not a known ${title}`, didYouMean(value, values)),
    );
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/;
const LONGEST_DAYS = 24;

/** A length of time such as `30s`, in milliseconds. At most 24 days: what a timer can hold. */
export const duration = z
  .string()
  .meta({ title: "duration", pattern: DURATION.source, example: "30s" })
  .transform((value, ctx) => {
    const match = DURATION.exec(value);
    if (!match) {
      return refuse(
        ctx,
        value,
        `\`${cut(value)}\` is not a duration`,
        "write a whole number and a unit: `250ms`, `30s`, `5m`, `1h`",
      );
    }
    const ms = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
    if (ms === 0) return refuse(ctx, value, `\`${cut(value)}\` is no time at all`, "write at least `1ms`");
    if (ms > LONGEST_DAYS * UNITS.d) {
      return refuse(ctx, value, `\`${cut(value)}\` is too long`, `write at most \`${LONGEST_DAYS}d\``);
    }
    return ms;
  });

const SIZES = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
const SIZE = /^(\d{1,7})(KiB|MiB|GiB)$/;
/** What a JavaScript string can hold, and with it one message. */
const LARGEST = 512 * SIZES.MiB;

/** A number of bytes, or a text such as `4MiB`; in bytes. */
export const bytes = z
  .union([z.int().min(1).max(LARGEST), z.string().meta({ pattern: SIZE.source })], {
    error: "size",
  })
  .meta({ title: "size", example: "4MiB" })
  .transform((value, ctx) => {
    if (typeof value === "number") return value;
    const match = SIZE.exec(value);
    if (!match) {
      return refuse(
        ctx,
        value,
        `\`${cut(value)}\` is not a size`,
        "write a number of bytes, or one with `KiB`, `MiB` or `GiB`",
      );
    }
    const size = Number(match[1]) * SIZES[match[2] as keyof typeof SIZES];
    if (size < 1 || size > LARGEST)
      return refuse(ctx, value, `\`${cut(value)}\` is out of range`, "write `1` to `512MiB`");
    return size;
  });

/** A ceiling: a whole number from 1. */
export const count = z.int().min(1).max(1_000_000_000).meta({ title: "whole number" });

export const scope = text(
  "scope",
  SCOPE_TOKEN,
  "use letters, digits and signs such as `:` without spaces or quotes, as in `files:read`",
  "files:read",
);

export const serverName = text(
  "server name",
  SERVER_NAME,
  "use up to 31 letters, digits, `-` and single `_`, starting with a letter or digit",
  "files",
);

/** Agents and roles: what a token's claim and a log line can carry without quoting. */
export const name = text(
  "name",
  /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/,
  "use up to 64 letters, digits and `.`, `_`, `@`, `-`",
  "reader",
);

export const effect = oneOf("effect", EFFECTS);
export const label = oneOf("label", LABELS);
export const argumentRole = oneOf("argument role", ROLES);
export const callback = oneOf("callback", ["elicitation", "sampling", "roots"]);
export const choice = oneOf;

export const digest = text(
  "digest",
  /^sha256:[0-9a-f]{64}$/,
  "a digest is `sha256:` and 64 lower-case hex digits; `callgate pin` writes it",
  `sha256:${"0".repeat(64)}`,
);

/** A host that code in the sandbox may fetch from. */
export const hostPattern = text(
  "host",
  /^(?:\*\.)?(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?::\d{1,5})?$/,
  "write a name, with a port if it is not 443, and `*.` in front for all names below it, as in `*.example.com`",
  "api.example.com",
);

/** A text that is not empty. */
export const line = z
  .string()
  .meta({ title: "text" })
  .transform((value, ctx) =>
    value.trim() ? value : refuse(ctx, value, "the text is empty", "write something, or leave the key out"),
  );

/** A name that an expression can read as a field. */
export const settingName = text(
  "setting's name",
  /^[A-Za-z][A-Za-z0-9_]{0,63}$/,
  "use up to 64 letters, digits and `_`, starting with a letter",
  "workFolder",
);

/** A value that policies read as it is. */
export const setting = z
  .union([z.string(), z.number(), z.boolean(), z.array(z.string())], { error: "setting" })
  .meta({ title: "text, number, `true`, `false` or list of texts", example: "/workspace" });

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const logLevel = oneOf("log level", LEVELS);

/** The format's version. One that is newer needs a newer program, so that nothing is read by half. */
export const version = z.int().meta({ const: 1, example: 1 });
