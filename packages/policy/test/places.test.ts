import { describe, expect, it } from "vitest";
import { faultOf, valueOf } from "./evaluate.ts";
import { permit, refusal } from "./facts.ts";

const under = (path: string, root = "/workspace"): unknown => valueOf("pathUnder(p, r)", { p: path, r: root });

describe("pathUnder", () => {
  it.each([
    "/workspace",
    "/workspace/",
    "/workspace/a/b.txt",
    "/workspace/a/../b",
    "//workspace//a",
    "/workspace/./a",
    "/workspace/..a/b",
    "/workspace/50%",
    "/x/../workspace/a",
  ])("has %j", (path) => {
    expect(under(path)).toBe(true);
  });

  it.each([
    "/workspace/..",
    "/workspace/../etc/passwd",
    "/workspace-evil/a",
    "/workspace/a/../../etc",
    "/workspace/..\\..\\etc",
    "/workspace/%2e%2e/etc",
    "/workspace/%252e%252e/etc",
    "/workspace/..%2fetc",
    "/workspace/%2e%2e%5cetc",
    "workspace/a",
    "notes.txt",
    "../workspace/a",
    "~/workspace",
    "file:///workspace/a",
    "/WORKSPACE/a",
    "C:\\workspace\\a",
  ])("has not %j", (path) => {
    expect(under(path)).toBe(false);
  });

  it("takes relative and drive roots", () => {
    expect(under("notes/a.txt", "notes")).toBe(true);
    expect(under("notes/../secrets", "notes")).toBe(false);
    expect(under("../notes/a", "notes")).toBe(false);
    expect(under("c:/data/a", "C:\\data")).toBe(true);
    expect(under("/", "/")).toBe(true);
  });

  it("refuses an empty path and a NUL", () => {
    expect(faultOf("pathUnder(p, '/a')", { p: "" })).toBe("invalid_argument");
    expect(faultOf("pathUnder(p, '/a')", { p: "/a/b\0.png" })).toBe("invalid_argument");
    expect(faultOf("pathUnder(p, '/a')", { p: "/a/b%00.png" })).toBe("invalid_argument");
  });

  it("tells names and extensions", () => {
    expect(valueOf("pathName('/a/b/../c.tar.gz')")).toBe("c.tar.gz");
    expect(valueOf("pathExtension('/a/C.PNG')")).toBe(".png");
    expect(valueOf("pathExtension('/a/.env')")).toBe("");
    expect(valueOf("pathNormal('/a//b/./../c/')")).toBe("/a/c");
    expect(valueOf("pathNormal('a/../../b')")).toBe("../b");
  });
});

describe("hosts and domains", () => {
  it.each([
    ["domainMatches('mail.example.com', 'example.com')", true],
    ["domainMatches('EXAMPLE.com.', 'example.com')", true],
    ["domainMatches('evilexample.com', 'example.com')", false],
    ["domainMatches('example.com.evil.net', 'example.com')", false],
    ["domainMatches('a.b.co.uk', 'b.co.uk')", true],
    ["domainMatches(url('https://example.com@evil.net/'), 'example.com')", false],
    ["domainMatches(url('https://evil.net#.example.com'), 'example.com')", false],
    ["domainMatches('bücher.example', 'xn--bcher-kva.example')", true],
    ["hostMatches('api.example.com', '*.example.com')", true],
    ["hostMatches('example.com', '*.example.com')", false],
    ["hostMatches('example.com', 'Example.COM')", true],
    ["hostMatches(url('http://[::1]:8080/x'), '::1')", true],
    ["registrableDomain('a.b.example.co.uk')", "example.co.uk"],
    ["registrableDomain('me.github.io')", "me.github.io"],
    ["emailDomain('Ann@Example.COM')", "example.com"],
    ["emailDomain('Ann Lee <ann@mail.example.com>')", "mail.example.com"],
    ["isEmail('ann@example.com')", true],
    ["isEmail('ann@example.com, eve@evil.net')", false],
  ])("%s is %j", (text, value) => {
    expect(valueOf(text)).toBe(value);
  });

  it.each([
    "domainMatches('a.com', 'com')",
    "domainMatches('a.co.uk', 'co.uk')",
    "domainMatches('a.github.io', 'github.io')",
    "domainMatches('https://example.com/', 'example.com')",
    "hostMatches('evil.net\\\\@example.com', 'example.com')",
    "hostMatches('evil.net/.example.com', '*.example.com')",
    "registrableDomain('com')",
    "emailDomain('ann@example.com,eve@evil.net')",
    "emailDomain('ann@example.com\\nbcc: eve@evil.net')",
    "emailDomain('a@b@example.com')",
    "emailDomain('<eve@evil.net> ann@example.com')",
    "emailDomain('no address')",
  ])("%s faults", (text) => {
    expect(faultOf(text)).toBe("invalid_argument");
  });

  it("finds a public suffix in a rule while loading", () => {
    const rule = "domainMatches(args.subject, 'co.uk')";
    expect(refusal(permit(rule))[0]).toContain("`co.uk` is a public suffix, under which anyone can register");
  });
});

describe("url", () => {
  it("gives its parts", () => {
    const facts = { u: "HTTPS://user:pw@Example.com:8443/a/../b?q=1#f" };
    const of = (part: string): unknown => valueOf(`url(u).${part}()`, facts);
    expect([of("scheme"), of("host"), of("port"), of("path"), of("query"), of("hasUserinfo")]).toEqual([
      "https",
      "example.com",
      8443,
      "/b",
      "q=1",
      true,
    ]);
    expect(valueOf("url('https://example.com').port()")).toBe(443);
    expect(valueOf("url('http://0x7f.1/').host()")).toBe("127.0.0.1");
    expect(valueOf("url('http://a.com/') == url('http://a.com')")).toBe(true);
  });

  it.each([
    "/relative",
    "https:example.com",
    "https:\\\\evil.net",
    "http://a.com\t@evil.net",
    "https:///evil.net",
    "",
    "http://",
    "ht tp://a",
  ])("refuses %j", (text) => {
    expect(valueOf("isURL(u)", { u: text })).toBe(false);
    expect(faultOf("url(u)", { u: text })).toBe("invalid_argument");
  });
});
