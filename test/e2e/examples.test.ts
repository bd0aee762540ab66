import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startNode } from "../support/process.ts";

const ROOT = join(import.meta.dirname, "../..");
const SCRIPT = join(ROOT, "scripts/example.ts");
const stories = readdirSync(join(ROOT, "examples")).filter((name) =>
  existsSync(join(ROOT, "examples", name, "run.ts")),
);

describe("`npm run example`", () => {
  it.each(stories)("%s goes as it says", async (name) => {
    const run = startNode([SCRIPT, name]);
    expect(await run.ended, run.lines.join("\n")).toBe(0);
  });

  it("names the examples there are", async () => {
    const run = startNode([SCRIPT, "nothing"]);
    expect(await run.ended).toBe(2);
    expect(run.lines.join("\n")).toContain(`one of: ${stories.join(", ")}`);
  });
});
