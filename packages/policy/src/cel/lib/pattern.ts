import { RE2JS } from "re2js";
import { invalid } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import { nativeOf } from "./native-pattern.ts";

const MAX_PATTERN = 2048;

/** A pattern ready to be looked for: whether a text has it anywhere, in time linear in the text. */
export type Matcher = (frame: Frame, text: string) => boolean;

/** Compiles an RE2 pattern; throws a Fault if it is invalid or too long. */
export function compilePattern(pattern: string): Matcher {
  if (pattern.length > MAX_PATTERN) throw invalid(`a pattern is longer than ${MAX_PATTERN} characters`);
  let re: RE2JS;
  try {
    re = RE2JS.compile(pattern);
  } catch {
    throw invalid("the pattern is not valid RE2 (it has no lookaround and no backreferences)");
  }
  const search = searchOf(pattern);
  const native = search ? { test: search, steps: 1 } : nativeOf(pattern);
  if (native) {
    return (frame, text) => {
      spend(frame, 1 + ((text.length * native.steps) >> 4));
      return native.test(text);
    };
  }
  // The work of a step grows with the program: a large pattern costs more for each character.
  const perCharacter = 2 + (re.programSize() >> 2);
  return (frame, text) => {
    spend(frame, 20 + text.length * perCharacter);
    return re.test(text);
  };
}

/** For a pattern without operators but anchors: the string search it amounts to. */
function searchOf(pattern: string): ((text: string) => boolean) | undefined {
  const match = /^(\^?)((?:[\w @/:;,=&%#~<>"'!-]|\\[.\-/+*?()[\]{}^$|\\])*)(\$?)$/.exec(pattern);
  if (!match) return undefined;
  const body = (match[2] as string).replace(/\\(.)/g, "$1");
  if (match[1] && match[3]) return (text) => text === body;
  if (match[1]) return (text) => text.startsWith(body);
  if (match[3]) return (text) => text.endsWith(body);
  return (text) => text.includes(body);
}
