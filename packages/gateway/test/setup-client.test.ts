import { homedir } from "node:os";
import { expect, test } from "vitest";
import {
  clientFolder,
  clientName,
  isWrapped,
  parseClientConfig,
  startFolder,
  targetOf,
} from "../src/setup/client-config.ts";

const entryOf = (value: unknown) => {
  const [entry] = parseClientConfig("a.json", JSON.stringify({ mcpServers: { it: value } })).entries;
  return entry!;
};

test.each([
  ["Claude Desktop, Cursor, Windsurf", { mcpServers: { a: { command: "x" } } }, "mcpServers"],
  ["VS Code's mcp.json", { inputs: [], servers: { a: { type: "stdio", command: "x" } } }, "servers"],
  ["VS Code's settings.json", { "editor.fontSize": 12, mcp: { servers: { a: { command: "x" } } } }, "mcp.servers"],
  ["Zed's settings.json", { theme: "x", context_servers: { a: { command: "x" } } }, "context_servers"],
])("the servers of %s are found", (_, config, section) => {
  const parsed = parseClientConfig("a.json", JSON.stringify(config));
  expect(parsed.section).toBe(section);
  expect(parsed.entries.map((e) => [e.name, targetOf(e, "/")])).toEqual([
    ["a", { kind: "stdio", command: "x", args: [], env: {}, cwd: "/" }],
  ]);
});

test("a file without servers is refused with what to give instead", () => {
  expect(() => parseClientConfig("a.json", '{"theme": "dark"}')).toThrow("`a.json` names no MCP servers");
});

test("addresses and settings are read as clients read them", () => {
  expect(targetOf(entryOf({ type: "http", url: "https://x/mcp", headers: { A: "b" } }), "/")).toEqual({
    kind: "http",
    url: "https://x/mcp",
    headers: { A: "b" },
  });
  expect(targetOf(entryOf({ serverUrl: "https://x/mcp" }), "/")).toMatchObject({ kind: "http", url: "https://x/mcp" });
  expect(
    targetOf(entryOf({ command: "x", args: ["y"], env: { PORT: 80, DEBUG: true, NONE: null }, cwd: "sub" }), "/home"),
  ).toEqual({
    kind: "stdio",
    command: "x",
    args: ["y"],
    env: { PORT: "80", DEBUG: "true" },
    cwd: "/home/sub",
  });
});

test.each([
  [{ command: "x", disabled: true }, "it is disabled"],
  [{ command: "x", envFile: ".env" }, "it reads an `envFile`"],
  [{ command: "x", args: "y" }, "its `args` are not a list"],
  [{ command: "x", env: { A: {} } }, "its `env` is not a mapping"],
  [{ command: "x", args: ["${workspaceFolder}"] }, "that only the client can fill in"],
  [{ url: "https://${host}/mcp" }, "that only the client can fill in"],
  [{ type: "sse", url: "https://x/sse" }, "the old SSE transport"],
  [{ url: "https://x", headers: [] }, "its `headers` are not a mapping"],
  [{}, "neither a `command` nor a `url`"],
])("%j is left alone with a reason", (value, reason) => {
  expect(targetOf(entryOf(value), "/")).toEqual({ kind: "unclear", reason: expect.stringContaining(reason) });
});

test("an entry behind callgate is told from one that is not", () => {
  expect(
    isWrapped(
      entryOf({ command: "npx", args: ["-y", "callgate", "serve", "--stdio", "--config", "/h/callgate.yaml"] }),
    ),
  ).toBe(true);
  expect(isWrapped(entryOf({ command: "x", args: ["serve", "--stdio"] }))).toBe(false);
  expect(isWrapped(entryOf({ url: "https://x" }))).toBe(false);
});

test.each([
  ["/home/a/.config/Claude/claude_desktop_config.json", "claude-desktop", homedir()],
  ["/home/a/app/.cursor/mcp.json", "cursor", "/home/a/app"],
  ["/home/a/app/.vscode/mcp.json", "vscode", "/home/a/app"],
  ["/home/a/.config/Code/User/settings.json", "vscode", homedir()],
  ["/home/a/.codeium/windsurf/mcp_config.json", "windsurf", homedir()],
  ["/home/a/app/.mcp.json", "claude-code", "/home/a/app"],
  ["/home/a/other.json", "client", homedir()],
])("%s belongs to %s", (file, name, folder) => {
  expect(clientName(file)).toBe(name);
  expect(startFolder(file)).toBe(folder);
});

test("two files of one client have folders of their own", () => {
  expect(clientFolder("/a/.cursor/mcp.json")).toMatch(/^cursor-[0-9a-f]{8}$/);
  expect(clientFolder("/a/.cursor/mcp.json")).not.toBe(clientFolder("/b/.cursor/mcp.json"));
});
