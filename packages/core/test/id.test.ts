import { afterEach, describe, expect, test, vi } from "vitest";
import { newId } from "../src/index.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

function timeOf(id: string): number {
  const head = id.slice(id.indexOf("_") + 1, id.indexOf("_") + 11);
  return Array.from(head).reduce((n, c) => n * 32 + ALPHABET.indexOf(c), 0);
}

afterEach(() => {
  vi.useRealTimers();
});

describe("ids", () => {
  test("are a prefix and 26 characters of Crockford base 32", () => {
    for (let i = 0; i < 2000; i++) expect(newId("call")).toMatch(/^call_[0-9a-hjkmnp-tv-z]{26}$/);
  });

  test("do not repeat, across many refills of the random pool", () => {
    const count = 100_000;
    expect(new Set(Array.from({ length: count }, () => newId("x"))).size).toBe(count);
  });

  test("carry the time of creation in milliseconds, fresh at each call", () => {
    vi.useFakeTimers();
    for (const time of [0, 1, 1_754_000_000_000, 1_754_000_000_001, 1_754_000_000_000, 2 ** 48 - 1]) {
      vi.setSystemTime(time);
      expect(timeOf(newId("s"))).toBe(time);
      expect(timeOf(newId("s"))).toBe(time);
    }
  });

  test("sort by time of creation", () => {
    vi.useFakeTimers();
    const ids = [31, 32, 1023, 1024, 32 ** 5 - 1, 32 ** 5, 1_754_000_000_000].map((time) => {
      vi.setSystemTime(time);
      return newId("s");
    });
    expect(ids.toSorted()).toEqual(ids);
  });

  test("use every character at every random place, about equally often", () => {
    const count = 32_000;
    const seen = Array.from({ length: 16 }, () => new Map<string, number>());
    for (let i = 0; i < count; i++) {
      const tail = newId("x").slice(-16);
      for (let at = 0; at < 16; at++) {
        const places = seen[at] as Map<string, number>;
        places.set(tail[at] as string, (places.get(tail[at] as string) ?? 0) + 1);
      }
    }
    // 1,000 expected each with a deviation of 31: 300 off is ten deviations, so chance does not fail this.
    for (const places of seen) {
      expect(places.size).toBe(32);
      for (const n of places.values()) expect(Math.abs(n - count / 32)).toBeLessThan(300);
    }
  });
});
