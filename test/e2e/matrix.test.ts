import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KINDS, textOf } from "../support/agent.ts";
import { Brokers, type Cell, FACES, SETUPS, type Setup } from "./matrix/cells.ts";
import { type Exception, FEATURES } from "./matrix/features.ts";

/** What cannot work, and why: told in the report as a skipped test with its reason. */
const EXCEPTIONS: readonly Exception[] = [
  {
    feature: "answers the server's question about roots outside a call",
    kind: "2.x client, modern",
    reason: "a stateless client can be asked within a call alone; the server keeps the folders it was started with",
  },
];

const brokers = new Brokers();
beforeAll(() => brokers.prepare());
afterAll(() => brokers.close());

describe.each(KINDS)("%s", (kind) => {
  describe.each(FACES)("over %s", (face) => {
    for (const setup of Object.keys(SETUPS) as Setup[]) {
      describe(`${setup} servers`, () => {
        let cell: Cell;
        beforeAll(async () => {
          cell = await brokers.cell(kind, face, setup);
        });
        afterAll(() => cell?.close());

        for (const server of SETUPS[setup]) {
          for (const feature of FEATURES.filter((f) => (f.servers as readonly string[]).includes(server))) {
            const exception = EXCEPTIONS.find(
              (e) =>
                e.feature === feature.name &&
                (e.server ?? server) === server &&
                (e.kind ?? kind) === kind &&
                (e.face ?? face) === face,
            );
            const title = `${server}: ${feature.name}`;
            if (exception) it.skip(`${title} (cannot work: ${exception.reason})`, () => {});
            else it(title, () => feature.run(cell, server, brokers));
          }
        }
      });
    }
  });
});

describe("a client that can answer nothing", () => {
  it.each(KINDS)("is not failed by what a server asks for its own ends: %s", async (kind) => {
    const cell = await brokers.cell(kind, "http", "local", {});
    // Long enough for the server's question for roots, which it asks soon after it is connected to.
    const result = await cell.agent.call("everything__trigger-long-running-operation", { duration: 0.8, steps: 2 });
    expect(textOf(result)).toBe("Long running operation completed. Duration: 0.8 seconds, Steps: 2.");
    expect(cell.agent.asked).toEqual([]);
    await cell.close();
  });
});

describe("the table of exceptions", () => {
  it("names features that there are", () => {
    expect(EXCEPTIONS.filter((e) => !FEATURES.some((f) => f.name === e.feature))).toEqual([]);
  });
});
