import { randomFillSync } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const IDS_A_FILL = 256;

/** Every pair of base-32 characters, so that 10 random bits are one lookup. */
const PAIRS = Array.from({ length: 1024 }, (_, n) => `${ALPHABET[n >> 5]}${ALPHABET[n & 31]}`);

// 16 random bits a pair, of which 10 are used: cutting bits exactly would cost more than the bytes it saves.
const pool = new Uint16Array(IDS_A_FILL * 8);
let used = pool.length;

let headTime = -1;
let head = "";

function timeOf(milliseconds: number): string {
  let rest = milliseconds;
  let text = "";
  for (let i = 0; i < 10; i++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function pair(at: number): string {
  return PAIRS[(pool[at] as number) & 1023] as string;
}

/**
 * A new identifier: `<prefix>_` and 26 characters of Crockford base 32, the first 10 of them the time in milliseconds, the
 * other 16 from 80 random bits. Sorts by time of creation (ULID's layout); within one millisecond the order is random.
 */
export function newId(prefix: string): string {
  const now = Date.now();
  if (now !== headTime) {
    head = timeOf(now);
    headTime = now;
  }
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += 8;
  const first = pair(at) + pair(at + 1) + pair(at + 2) + pair(at + 3);
  return `${prefix}_${head}${first}${pair(at + 4)}${pair(at + 5)}${pair(at + 6)}${pair(at + 7)}`;
}
