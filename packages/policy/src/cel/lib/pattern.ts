import { RE2JS } from "re2js";
import { invalid } from "../fault.ts";
import { spend, type Frame } from "../frame.ts";

const MAX_PATTERN = 2048;

/** Compiles an RE2 pattern; throws a Fault if it is invalid or too long. */
export function compilePattern(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN) throw invalid(`a pattern is longer than ${MAX_PATTERN} characters`);
  try {
    return RE2JS.compile(pattern);
  } catch {
    throw invalid("the pattern is not valid RE2 (it has no lookaround and no backreferences)");
  }
}

/** Whether a pattern is found in a text, in time linear in both. */
export function matcherOf(re: RE2JS): (frame: Frame, text: string) => boolean {
  const plain = literalOf(re.pattern());
  if (plain) return (frame, text) => {
    spend(frame, text.length >> 5);
    return plain(text);
  };
  // The work of a step grows with the program: a large pattern costs more for each character.
  const perCharacter = 1 + (re.programSize() >> 4);
  return (frame, text) => {
    spend(frame, 8 + text.length * perCharacter);
    return re.test(text);
  };
}

/** For a pattern without operators but anchors: the string search it amounts to. */
function literalOf(pattern: string): ((text: string) => boolean) | undefined {
  const match = /^(\^?)((?:[\w @/:;,=&%#~<>"'!-]|\\[.\-/+*?()[\]{}^$|\\])*)(\$?)$/.exec(pattern);
  if (!match) return undefined;
  const body = (match[2] as string).replace(/\\(.)/g, "$1");
  if (match[1] && match[3]) return (text) => text === body;
  if (match[1]) return (text) => text.startsWith(body);
  if (match[3]) return (text) => text.endsWith(body);
  return (text) => text.includes(body);
}
