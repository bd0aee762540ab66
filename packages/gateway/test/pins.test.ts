import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holdFileKey } from "@callgate/ledger";
import { expect, onTestFinished, test } from "vitest";
import { definitionDigest } from "../src/config/definition.ts";
import { keepDefinitions, pinnedDefinition } from "../src/pins.ts";

test("definitions of an encrypted folder are sealed, and read with its key alone", async () => {
  const data = mkdtempSync(join(tmpdir(), "callgate-pins-"));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  holdFileKey(data, "1a".repeat(32));
  const definition = { name: "send", description: "IN-THE-CLEAR", inputSchema: { type: "object" } } as const;
  await keepDefinitions(data, "mail", [definition]);
  const written = readFileSync(join(data, "pins", "mail.json"), "utf8");
  expect(written).toMatch(/^callgate-sealed\/1 /);
  expect(written).not.toContain("IN-THE-CLEAR");
  expect(pinnedDefinition(data, "mail", "send", definitionDigest(definition))).toEqual(definition);
  holdFileKey(data, "2b".repeat(32));
  expect(pinnedDefinition(data, "mail", "send", definitionDigest(definition))).toBeUndefined();
});
