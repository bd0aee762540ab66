import { mkdirSync } from "node:fs";
import { expect, test } from "vitest";
import { PayloadKeys } from "../src/payload-keys.ts";
import { dataFolder } from "./folder.ts";

test("the sessions of one commit all have their keys, however many others came before", () => {
  const folder = dataFolder();
  mkdirSync(folder);
  const keys = PayloadKeys.open(folder, "off", { log: "log_1", begun: false, shredded: [] });
  const before = Array.from({ length: 9_999 }, (_, i) => `ses_${i}`);
  keys.provide(before);
  const first = keys.key("ses_9998");
  keys.provide(["ses_9998", "ses_10000", "ses_10001"]);
  expect(keys.key("ses_9998").equals(first)).toBe(true);
  expect(keys.key("ses_10001").equals(first)).toBe(false);
  keys.provide(["ses_0"]);
  expect(() => keys.key("ses_0")).not.toThrow();
  keys.close();
});
