import { expect, test } from "vitest";
import { progressOf } from "../src/render/progress.ts";

function watched(isTTY: boolean): { told: string[]; at(ms: number, done: number): void } {
  const told: string[] = [];
  let time = 0;
  const progress = progressOf("records", { isTTY, write: (text) => told.push(text) }, () => time);
  return {
    told,
    at(ms, done) {
      time = ms;
      progress(done, 4_000_000);
    },
  };
}

test("a terminal sees a bar, drawn anew ten times a second at most, that is gone in the end", () => {
  const { told, at } = watched(true);
  at(50, 10_000);
  at(1000, 1_000_000);
  at(1020, 1_010_000);
  at(2000, 2_000_000);
  at(4000, 4_000_000);
  expect(told).toEqual([
    "\r[#######-----------------------] 25% 1,000,000 of 4,000,000 records, 3 s left\u001b[K",
    "\r[###############---------------] 50% 2,000,000 of 4,000,000 records, 2 s left\u001b[K",
    "\r\u001b[K",
  ]);
});

test("without a terminal there is a line every five seconds, and none for what is done sooner", () => {
  const { told, at } = watched(false);
  at(4900, 900_000);
  at(5000, 1_000_000);
  at(9000, 1_800_000);
  at(10_000, 2_000_000);
  at(10_100, 4_000_000);
  expect(told).toEqual(["1,000,000 of 4,000,000 records, 15 s left\n", "2,000,000 of 4,000,000 records, 10 s left\n"]);
});
