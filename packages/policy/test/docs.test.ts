import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { LIBRARY } from "../src/cel/lib/index.ts";
import { load, MAIL, tool } from "./facts.ts";

const PAGE = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");

it("lists every function that a rule may call, and none besides", () => {
  const section = PAGE.slice(PAGE.indexOf("| group | functions |"), PAGE.indexOf("What those for security promise"));
  const listed = [...section.matchAll(/`([A-Za-z0-9_.]+)`/g)].map((match) => match[1] as string);
  expect(listed.toSorted()).toEqual([...LIBRARY.keys()].toSorted());
});

it("shows a policy file that loads", () => {
  const yaml = /```yaml\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? "";
  expect(load(yaml, [MAIL, tool("mail__draft")]).policies.map((p) => p.id)).toEqual([
    "mail",
    "mail-inside-only",
    "confirm-many",
  ]);
});
