const ASCII = /^[\x00-\x7f]*$/;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * The form in which texts are compared: NFKC, lower case, one space for any run of white space, no invisible characters,
 * plain quotes and dashes. Idempotent.
 */
export function normalise(text: string): string {
  let plain = text;
  if (!ASCII.test(text)) {
    plain = text
      .normalize("NFKC")
      .replace(INVISIBLE, "")
      .replace(/[‘’‚‛′`´]/g, "'")
      .replace(/[“”„‟″«»]/g, '"')
      .replace(/[‐-―−]/g, "-");
  }
  return plain.toLowerCase().replace(/\s+/g, " ").trim();
}

/** Whether the UTF-16 unit is part of a word: a letter, a digit, or anything beyond ASCII that normalising left. */
export function isWordUnit(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code > 127 || (code >= 65 && code <= 90);
}

/** Calls back with the start and end of each word of a normalised text. */
export function eachWord(text: string, visit: (start: number, end: number) => void): void {
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    if (isWordUnit(text.charCodeAt(i))) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      visit(start, i);
      start = -1;
    }
  }
  if (start >= 0) visit(start, text.length);
}

/** The words of a normalised text, with where they start. */
export function wordsOf(text: string): { readonly word: string; readonly start: number; readonly end: number }[] {
  const words: { word: string; start: number; end: number }[] = [];
  eachWord(text, (start, end) => words.push({ word: text.slice(start, end), start, end }));
  return words;
}

/** The text without quotes, brackets and punctuation at its ends. */
export function trimEdges(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && !isWordUnit(text.charCodeAt(start)) && !"/#@+~.$".includes(text[start] as string)) start += 1;
  while (end > start && !isWordUnit(text.charCodeAt(end - 1)) && text[end - 1] !== "/") end -= 1;
  return text.slice(start, end);
}

/**
 * What the encoded pieces of a text say: percent encoding, base64 and hex, where the outcome is readable text. All of them, in time
 * linear in the text: a piece MUST NOT hide behind others.
 */
export function decodings(text: string): string[] {
  const found: string[] = [];
  if (/%[0-9a-f]{2}/i.test(text)) {
    found.push(text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString()));
  }
  eachRun(text, (part) => {
    if (part.length % 2 === 0 && /[a-f]/i.test(part) && /^[0-9a-f]+$/i.test(part))
      pushReadable(found, Buffer.from(part, "hex"));
    else if (/[A-Z]/.test(part) && /[a-z]/.test(part)) pushReadable(found, Buffer.from(part, "base64"));
  });
  return found;
}

const MIN_RUN = 12;

/** The runs of characters that base64 and hex use, by hand: a pattern would cost more than the rest of indexing. */
function eachRun(text: string, visit: (part: string) => void): void {
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 32;
    if (code < 128 && (isWordUnit(code) || code === 43 || code === 45 || code === 47 || code === 95)) continue;
    if (i - start >= MIN_RUN) visit(text.slice(start, i));
    start = i + 1;
  }
}

function pushReadable(into: string[], bytes: Buffer): void {
  if (bytes.length < 6) return;
  for (const byte of bytes) if ((byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) || byte > 126) return;
  into.push(bytes.toString("latin1"));
}
