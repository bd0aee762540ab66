import { describe, expect, it } from "vitest";
import { Lagging } from "../src/lagging.ts";

const at = (size: number, error?: string) => [{ name: "far away", size, ...(error !== undefined && { error }) }];
const code = { code: "LEDGER_ANCHOR_BEHIND" };

describe("an anchor that calls depend on", () => {
  it("may be behind by so many records, and no more", () => {
    const lagging = new Lagging([{ records: 10 }], 0);
    expect(lagging.problem(at(5), 15, 1e9)).toBeUndefined();
    expect(lagging.problem(at(5, "it does not answer"), 16, 1)).toMatchObject({
      ...code,
      message: "the anchor `far away` has not seen the newest 11 records: it does not answer",
    });
    expect(lagging.problem(at(16), 16, 1)).toBeUndefined();
  });

  it("may lack a record for so long, counted from when that record was durable", () => {
    const lagging = new Lagging([{ ms: 1000 }], 0);
    lagging.durable(1, 500);
    lagging.durable(11, 5000);
    lagging.seen(at(10));
    // Up to record 10 it has all; the next one came at 5000.
    expect(lagging.problem(at(10), 20, 6000)).toBeUndefined();
    expect(lagging.problem(at(10), 20, 6001)).toMatchObject({ ...code, help: expect.stringContaining("run again") });
    lagging.durable(21, 6500);
    expect(lagging.problem(at(20), 30, 7500)).toBeUndefined();
    expect(lagging.problem(at(20), 30, 7501)).toMatchObject(code);
    expect(lagging.problem(at(30), 30, 99_999)).toBeUndefined();
  });

  it("is asked of only if it has a lag", () => {
    const lagging = new Lagging([undefined, { records: 1 }], 0);
    const [one] = at(0);
    expect(lagging.problem([one as never, ...at(9)], 10, 1)).toBeUndefined();
    expect(lagging.problem([one as never, ...at(8)], 10, 1)).toMatchObject(code);
  });
});
