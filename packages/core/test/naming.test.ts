import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileGlobs, qualifiedName, SCOPE_TOKEN, SERVER_NAME, TOOL_NAME } from "../src/index.ts";

describe("globs", () => {
  test.each([
    ["files__*", "files__read", true],
    ["files__*", "files__", true],
    ["files__*", "files_read", false],
    ["*", "", true],
    ["*", "a\nb", true],
    ["*__read", "files__read", true],
    ["*__read", "files__read2", false],
    ["file?__read", "files__read", true],
    ["file?__read", "file__read", false],
    ["a.c", "abc", false],
    ["a.*", "abc", false],
    ["(a|b)", "a", false],
    ["[ab]*", "ab", false],
    ["[ab]*", "[ab]x", true],
    ["docs/resources/*", "docs/resources/read", true],
    ["a**b", "axxb", true],
    ["^a$", "a", false],
    ["\\*", "\\x", true],
    ["\\*", "x", false],
  ])("%s over %s: %s", (glob, name, matches) => {
    expect(compileGlobs([glob])(name)).toBe(matches);
  });

  test("one of several is enough; none match nothing", () => {
    expect(compileGlobs(["a", "b*"])("bc")).toBe(true);
    expect(compileGlobs(["a", "b*"])("a")).toBe(true);
    expect(compileGlobs(["a", "b*"])("c")).toBe(false);
    expect(compileGlobs([])("")).toBe(false);
  });

  test("a name of an object's own machinery is only a name", () => {
    expect(compileGlobs(["x"])("__proto__")).toBe(false);
    expect(compileGlobs(["constructor"])("constructor")).toBe(true);
  });

  test("property: a glob without wildcards matches itself alone", () => {
    const plain = fc.string().filter((text) => !/[*?]/.test(text));
    fc.assert(
      fc.property(plain, plain, (glob, name) => {
        expect(compileGlobs([glob])(name)).toBe(glob === name);
      }),
    );
  });

  test("property: a star stands for any run, an empty one too", () => {
    const part = fc.string().filter((text) => !/[*?]/.test(text));
    fc.assert(
      fc.property(part, part, part, (start, middle, end) => {
        const matches = compileGlobs([`${start}*${end}`]);
        expect(matches(start + middle + end)).toBe(true);
        expect(matches(start + end)).toBe(true);
      }),
    );
  });
});

describe("names", () => {
  test("a tool's name is prefixed by its server, or bare", () => {
    expect(qualifiedName("prefixed", "files", "read")).toBe("files__read");
    expect(qualifiedName("bare", "files", "read")).toBe("read");
  });

  test("property: a prefixed name splits at its first `__`, so no two servers and tools share one", () => {
    // A narrow alphabet, so that near misses are common.
    const server = fc.stringMatching(/^[a_-]{1,6}$/).filter((name) => SERVER_NAME.test(name));
    const tool = fc.stringMatching(/^[a_-]{1,6}$/);
    fc.assert(
      fc.property(server, tool, (s, t) => {
        const name = qualifiedName("prefixed", s, t);
        expect([name.slice(0, name.indexOf("__")), name.slice(name.indexOf("__") + 2)]).toEqual([s, t]);
      }),
    );
  });

  test.each(["files", "a", "a_b_c", "a-b", "a_b", "A9", "a".repeat(31)])("`%s` names a server", (name) => {
    expect(SERVER_NAME.test(name)).toBe(true);
  });

  test.each(["", "a__b", "_a", "-a", "a.b", "a b", "é", "a".repeat(32), "a\n", "a_"])(
    "`%s` does not name a server",
    (name) => {
      expect(SERVER_NAME.test(name)).toBe(false);
    },
  );

  test("a tool's name is what every model API accepts", () => {
    expect(TOOL_NAME.test("read_text-file2")).toBe(true);
    for (const name of ["", "a b", "a/b", "a.b", "a".repeat(65), "a\n"]) expect(TOOL_NAME.test(name)).toBe(false);
  });

  test("a scope is one token of RFC 6749, section 3.3", () => {
    for (const scope of ["files:read", "a", "!#[]~", "https://x/y"]) expect(SCOPE_TOKEN.test(scope)).toBe(true);
    for (const scope of ["", "a b", 'a"', "a\\b", "é", "a\n", "a".repeat(129)]) {
      expect(SCOPE_TOKEN.test(scope)).toBe(false);
    }
  });
});
