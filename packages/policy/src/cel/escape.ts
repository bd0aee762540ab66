import { Defect } from "./fault.ts";

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "?": "?",
  '"': '"',
  "'": "'",
  "`": "`",
};

const NUMERIC = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;
const ENCODER = new TextEncoder();

/**
 * The value of a string literal's body. In bytes, text is UTF-8 and a numeric escape is one byte; in strings, an escape is
 * a code point. Throws a Defect at an escape that CEL does not have; `offset` is where the body stands in the expression.
 */
export function readEscaped(body: string, how: { bytes: boolean; raw: boolean }, offset: number): string | Uint8Array {
  if (how.raw || !body.includes("\\")) return how.bytes ? ENCODER.encode(body) : body;
  let text = "";
  const bytes: number[] = [];
  const add = (piece: string): void => {
    if (how.bytes) bytes.push(...ENCODER.encode(piece));
    else text += piece;
  };

  for (let at = 0; at < body.length; ) {
    if (body[at] !== "\\") {
      const next = body.indexOf("\\", at);
      const end = next < 0 ? body.length : next;
      add(body.slice(at, end));
      at = end;
      continue;
    }
    const simple = SIMPLE[body[at + 1] ?? ""];
    if (simple !== undefined) {
      add(simple);
      at += 2;
      continue;
    }
    NUMERIC.lastIndex = at;
    const match = NUMERIC.exec(body);
    const range = { start: offset + at, end: offset + at + (match?.[0].length ?? 2) };
    if (!match) throw new Defect(`unknown escape \`${body.slice(at, at + 2)}\``, range, "write `\\\\` for a backslash");
    const [whole, hex, short, long, octal] = match;
    const code = octal ? Number.parseInt(octal, 8) : Number.parseInt((hex ?? short ?? long) as string, 16);
    if (how.bytes) {
      if (short || long) throw new Defect("bytes take no unicode escape", range, "write each byte as `\\xHH`");
      bytes.push(code);
    } else {
      const surrogate = code >= 0xd800 && code <= 0xdfff;
      if (code > 0x10ffff || surrogate) throw new Defect(`\`${whole}\` is not a unicode character`, range);
      text += String.fromCodePoint(code);
    }
    at += whole.length;
  }
  return how.bytes ? Uint8Array.from(bytes) : text;
}
