import { inspect } from "node:util";

const HIDDEN = "[secret]";

/**
 * A text that MUST NOT be seen: printing, joining, inspecting or serialising it gives `[secret]`. Only `reveal` gives the
 * text, so that each place that uses one can be found by that word.
 */
export class Secret {
  readonly #text: string;
  /** Where it came from, such as `env:FILES_TOKEN`. Safe to show. */
  readonly source: string;

  constructor(text: string, source: string) {
    this.#text = text;
    this.source = source;
    Object.freeze(this);
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.toPrimitive](): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** A value of `env` or `headers`: plain, or secret. */
export type Setting = string | Secret;

/** The texts of a record of settings, for the one place that hands them over. */
export function revealAll(settings: Readonly<Record<string, Setting>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([k, v]) => [k, v instanceof Secret ? v.reveal() : v]));
}
