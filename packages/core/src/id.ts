import { randomFillSync } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const pool = Buffer.allocUnsafe(1024);
let used = pool.length;

/**
 * A new identifier: `<prefix>_` and 26 characters of Crockford base 32, the first 10 of them the time in milliseconds, the
 * other 16 from 80 random bits. Sorts by time of creation (ULID's layout).
 */
export function newId(prefix: string): string {
  let time = Date.now();
  let head = "";
  for (let i = 0; i < 10; i++) {
    head = ALPHABET[time % 32] + head;
    time = Math.floor(time / 32);
  }
  if (used + 16 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let tail = "";
  for (let i = 0; i < 16; i++) tail += ALPHABET[(pool[used + i] as number) & 31];
  used += 16;
  return `${prefix}_${head}${tail}`;
}
