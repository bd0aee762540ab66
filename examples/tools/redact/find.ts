/** A part of a text: its kind and where it stands. */
export interface Found {
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
}

export const KINDS = ["iban", "card", "email", "phone"] as const;
export type Kind = (typeof KINDS)[number];

const PATTERNS: Readonly<Record<Kind, RegExp>> = {
  iban: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b/gi,
  card: /(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])/g,
  email: /[\p{L}\p{N}._%+-]+@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+\p{L}{2,}/gu,
  phone: /(?<![\w.])(?:\+|00|0)(?:[ ()/.-]{0,2}\d){7,15}(?!\d)/g,
};

/** How long the numbers of a country are (the IBAN registry). */
const LENGTHS: ReadonlyMap<string, number> = new Map(
  [
    "NO15 BE16 DK18 FI18 FO18 GL18 NL18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 XK20 CH21 HR21 LI21 LV21",
    "BG22 BH22 CR22 DE22 GB22 GE22 IE22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24 SA24",
    "SE24 SK24 TN24 VG24 PT25 ST25 IS26 TR26 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 BY28 CY28 DO28 GT28 HU28 LB28",
    "PL28 SV28 BR29 EG29 PS29 QA29 UA29 JO30 KW30 MU30 MT31 SC31 LC32",
  ]
    .join(" ")
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** Everything of these kinds in a text, in order, nothing twice. Kinds that have a checksum come first. */
export function find(text: string, kinds: readonly Kind[]): readonly Found[] {
  const found: Found[] = [];
  for (const kind of KINDS.filter((k) => kinds.includes(k)))
    for (const match of text.matchAll(PATTERNS[kind])) {
      const part = { kind, start: match.index, end: match.index + partOf(kind, match[0]) };
      if (part.end > part.start && !found.some((f) => part.start < f.end && f.start < part.end)) found.push(part);
    }
  return found.sort((a, b) => a.start - b.start);
}

/** How much of a match it really is, in characters; 0 if it only looks like one. */
function partOf(kind: Kind, text: string): number {
  if (kind === "card") return isCard(text.replace(/\D/g, "")) ? text.length : 0;
  if (kind !== "iban") return text.length;
  // The pattern also takes words that follow: the country says how long its numbers are.
  const wanted = LENGTHS.get(text.slice(0, 2).toUpperCase()) ?? 0;
  let length = 0;
  for (let seen = 0; length < text.length && seen < wanted; length++) if (text[length] !== " ") seen++;
  const isWhole = !/[A-Z0-9]/i.test(text[length] ?? " ");
  return isWhole && isIban(text.slice(0, length).replaceAll(" ", "").toUpperCase()) ? length : 0;
}

/** Luhn's checksum (ISO/IEC 7812). */
export function isCard(digits: string): boolean {
  if (digits.length < 13 || digits.length > 19 || /^(\d)\1*$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const doubled = Number(digits[digits.length - 1 - i]) * (i % 2 === 1 ? 2 : 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** The checksum of ISO 13616: the number, with its head at the end and letters as two digits, leaves 1 by 97. */
export function isIban(text: string): boolean {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]+$/.test(text) || text.length !== LENGTHS.get(text.slice(0, 2))) return false;
  let rest = 0;
  for (const c of text.slice(4) + text.slice(0, 4)) {
    const value = /\d/.test(c) ? Number(c) : c.charCodeAt(0) - 55;
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
