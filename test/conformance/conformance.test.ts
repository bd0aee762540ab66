import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Check, keyOf } from "./checks.ts";
import { compare } from "./compare.ts";
import { type RunningFixture, startFixture } from "./fixture/start.ts";
import { rowsOf, withoutEvidence } from "./report.ts";
import { assertAlive, withClient } from "./target.ts";

function check(scenario: string, id: string, status: Check["status"]): Check {
  return { suite: "1", revision: "r", scenario, id, status, required: true };
}

describe("compare", () => {
  const direct = [check("a", "1", "SUCCESS"), check("a", "2", "SUCCESS"), check("b", "1", "FAILURE")];

  it("tells nothing where everything passes alike, and nothing of what fails directly", () => {
    expect(compare(direct, direct)).toEqual([]);
    expect(compare(direct, [...direct.slice(0, 2), check("b", "1", "SUCCESS")])).toEqual([]);
  });

  it.each([
    ["a failure", [check("a", "1", "SUCCESS"), check("a", "2", "FAILURE")], "FAILURE", true],
    ["a check after a failure", [check("a", "1", "SUCCESS"), check("a", "3", "FAILURE")], "ABSENT", true],
    ["a warning", [check("a", "1", "SUCCESS"), check("a", "2", "WARNING")], "WARNING", false],
    ["a skip", [check("a", "1", "SUCCESS"), check("a", "2", "SKIPPED")], "SKIPPED", false],
    ["a check that was not reached", [check("a", "1", "SUCCESS"), check("a", "3", "INFO")], "ABSENT", false],
  ] as const)("tells %s", (_, via, status, lost) => {
    expect(compare(direct, via).map((d) => [d.check.id, d.via, d.lost])).toEqual([["2", status, lost]]);
  });

  it("tells a scenario that did not run", () => {
    expect(compare(direct, []).map((d) => d.lost)).toEqual([true, true]);
  });
});

describe("report", () => {
  const checks = [check("a", "1", "SUCCESS"), check("a", "2", "FAILURE"), check("b", "1", "SUCCESS")];

  it("counts a scenario as passed if none of its checks fails", () => {
    const [row] = rowsOf(checks, new Set());
    expect(row).toMatchObject({ scenarios: "1/2", required: "1/2", checks: "2/3", evidence: 2 });
  });

  it("counts nothing that also passes against nothing as evidence", () => {
    const nothing = new Set(checks.slice(2).map(keyOf));
    expect(rowsOf(checks, nothing)[0]?.evidence).toBe(1);
    expect(withoutEvidence(checks, nothing)).toEqual(["1 r b"]);
  });
});

describe("the fixture", () => {
  let fixture: RunningFixture;
  beforeAll(async () => {
    fixture = await startFixture();
  });
  afterAll(() => fixture.close());

  it("is alive in both revisions, and not once it is closed", async () => {
    const other = await startFixture();
    await assertAlive({ name: "fixture", url: other.url, close: other.close });
    await other.close();
    await expect(assertAlive({ name: "fixture", url: other.url, close: other.close })).rejects.toThrow(
      "fixture does not answer in 2025-11-25",
    );
  });

  it("defines its tools alike in both revisions, so that one pinned manifest fits", async () => {
    const legacy = await withClient(fixture.url, "2025-11-25", (client) => client.listTools());
    const modern = await withClient(fixture.url, "2026-07-28", (client) => client.listTools());
    expect(legacy.tools.length).toBeGreaterThan(0);
    expect(modern.tools).toEqual(legacy.tools);
  });

  it("tells a session of the resources it subscribed to, and of no others", async () => {
    const told: string[] = [];
    await withClient(fixture.url, "2025-11-25", async (client) => {
      client.setNotificationHandler("notifications/resources/updated", ({ params }) => void told.push(params.uri));
      await client.subscribeResource({ uri: "test://static-text" });
      await client.unsubscribeResource({ uri: "test://static-text" });
      await client.subscribeResource({ uri: "test://watched-resource" });
      for (const uri of ["test://static-text", "test://watched-resource"]) {
        await client.callTool({ name: "test_trigger_resource_update", arguments: { uri } });
      }
      await expect.poll(() => told).toContain("test://watched-resource");
    });
    expect(told).toEqual(["test://watched-resource"]);
  });
});
