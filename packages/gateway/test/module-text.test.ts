import fc from "fast-check";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { acceptBundle, withModuleServer } from "../src/authoring/module-text.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as const;
const OLD = `sha256:${"0".repeat(64)}`;

test("a server is written in after the last one, and every other character stays", () => {
  const before =
    "version: 1 # one\nservers:\n    # first\n    a:\n        url: https://x # y\n\n# agents\nagents: {}\n";
  expect(withModuleServer(before, "mod", "modules/mod.js")).toBe(
    before.replace("# y\n", "# y\n    mod:\n      module: modules/mod.js\n"),
  );
});

test.each([
  ["flow", "version: 1\nservers: { a: { url: x } } # here\nagents: {}\n"],
  ["empty", "version: 1\nservers: {}\n# the end\n"],
  ["none", "version: 1 # only\n"],
  ["no last line break", "servers:\n  a: { url: x }"],
  ["a text of several lines at the end", "servers:\n  a:\n    url: |\n      x\n      y\nz: 1\n"],
])("servers in another form (%s) get it too, and comments stay", (_, before) => {
  const after = withModuleServer(before, "mod", "m.js");
  const was = parse(before) as { servers?: object };
  expect(parse(after)).toEqual({ ...was, servers: { ...was.servers, mod: { module: "m.js" } } });
  for (const comment of before.match(/#.*/g) ?? []) expect(after).toContain(comment);
});

test("property: whatever a configuration holds, one server is added and nothing else changes", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const value = fc.oneof(word, fc.integer(), fc.boolean(), fc.array(word, { maxLength: 3 }));
  const server = fc.dictionary(word, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
  fc.assert(
    fc.property(
      fc.dictionary(word, server, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      fc.dictionary(word, value, { maxKeys: 3, noNullPrototype: true }),
      fc.integer({ min: 1, max: 8 }),
      (servers, rest, indent) => {
        const config = { servers, ...rest, version: 1 };
        const after = withModuleServer(stringify(config, { indent }), "MOD", "m.js");
        expect(parse(after)).toEqual({ ...config, servers: { ...config.servers, MOD: { module: "m.js" } } });
      },
    ),
    { numRuns: 300 },
  );
});

test("another bundle is pinned in place; hosts and calls are only ever added", () => {
  const before = `version: 1\nmodule:\n  digest: ${OLD}   # by Ann\n  hosts: [a.example] # these\n  budgets: {cpu: 1s}\ntools: {}\n`;
  expect(acceptBundle(before, { digest: DIGEST, hosts: ["a.example"], calls: [] })).toBe(before.replace(OLD, DIGEST));
  const wider = acceptBundle(before, { digest: DIGEST, hosts: ["b.example", "a.example"], calls: ["x__*"] });
  expect(parse(wider)).toMatchObject({
    module: { digest: DIGEST, hosts: ["a.example", "b.example"], calls: ["x__*"], budgets: { cpu: "1s" } },
  });
  for (const comment of ["# by Ann", "# these"]) expect(wider).toContain(comment);
  expect(parse(acceptBundle("version: 1\nserver: s\n", { digest: DIGEST, hosts: [], calls: [] }))).toEqual({
    version: 1,
    server: "s",
    module: { digest: DIGEST },
  });
});
