import { formatDiagnostic } from "@callgate/core";
import { expect, it } from "vitest";
import { loadPolicies, type PolicySettings } from "../src/index.ts";
import { call, MAIL, permit } from "./facts.ts";

function loadWith(when: string, settings: PolicySettings) {
  return loadPolicies([{ file: "p.yaml", text: permit(when) }], [MAIL], settings);
}

it.each([
  ["settings.folder == '/a'", { folder: "/a" }],
  ["settings.hosts.exists(h, h == 'b.example')", { hosts: ["a.example", "b.example"] }],
  ["settings.strict", { strict: true }],
  ["settings.limit * 2.0 == 1000.0", { limit: 500 }],
  ["settings.limit < 500.6 && settings.limit > 500", { limit: 500.5 }],
  ["time.getHours() >= settings.start", { start: 12 }],
  ["settings['limit'] == 1", { limit: 1 }],
  ["'b.example' in settings.hosts && !(7 in [settings.limit])", { hosts: ["b.example"], limit: 7.5 }],
  ["time.getHours(settings.zone) == 14", { zone: "+02:00" }],
  ["time.getHours(settings.zone) == 12", { zone: "" }],
  ["time.getHours(settings.zone) == 13", { zone: "Europe/Berlin" }],
  ["'abc'.matches(settings.pattern)", { pattern: "^a.c$" }],
] as const)("are read by their types: %s", (when, settings) => {
  const loaded = loadWith(when, settings);
  expect(loaded.ok ? [] : loaded.diagnostics.map(formatDiagnostic)).toEqual([]);
  if (loaded.ok) expect(loaded.set.decide(call(MAIL, {})).verdict).toBe("allow");
});

it.each([
  ["settings.limit * 2 == 4", "`*` does not take a double and an int"],
  ["settings.folder > 1", "`>` does not take a string and an int"],
  [
    "settings.floder == 'a'",
    "`settings` has no field `floder`\n  help: did you mean `folder`? or add `settings: { floder: … }` to callgate.yaml",
  ],
  ["has(settings.other)", "`settings` has no field `other`\n  help: add `settings: { other: … }` to callgate.yaml"],
  [
    "settings['other'] == 'a'",
    "`settings` has no field `other`\n  help: add `settings: { other: … }` to callgate.yaml",
  ],
  ["settings.constructor == 'a'", "`settings` has no field `constructor`"],
  ["time.getHours(settings.folder) > 1", "this call can only fail: there is no time zone `/a`"],
  ["time.getDayOfWeek('Mars/Base') > 1", "this call can only fail: there is no time zone `Mars/Base`"],
  ["args.subject.matches(settings.pattern)", "this call can only fail: "],
])("refuse what does not fit: %s", (when, message) => {
  const loaded = loadWith(when, { folder: "/a", limit: 2, pattern: "(" });
  const text = loaded.ok
    ? ""
    : loaded.diagnostics.map(formatDiagnostic).join("\n").replace(" (for tool `mail__send`)", "");
  expect(text).toContain(message);
});

it("are part of a set's digest, and an explanation shows them", () => {
  const [small, large] = [loadWith("settings.limit > 5", { limit: 1 }), loadWith("settings.limit > 5", { limit: 10 })];
  if (!small.ok || !large.ok) throw new Error("the set does not load");
  expect(small.set.digest).not.toBe(large.set.digest);
  expect(large.set.explain(call(MAIL, {}))[0]).toMatchObject({
    result: "true",
    facts: [{ name: "settings.limit", value: 10 }],
  });
});
