import { homedir } from "node:os";
import { basename, dirname, resolve } from "node:path";
import { CallgateError, digestOf, isObject } from "@callgate/core";
import { type JsonNode, parseJsonc } from "./jsonc.ts";

/** One server of a client's configuration, with its place in the text. */
export interface ClientEntry {
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly node: JsonNode;
}

/** A client's configuration: the servers that it starts, whatever the client calls them. */
export interface ClientConfig {
  readonly file: string;
  readonly text: string;
  /** Where the servers stand, such as `mcpServers`. */
  readonly section: string;
  readonly entries: readonly ClientEntry[];
}

/** What is started or reached, as an entry says it. */
export type Target =
  | {
      readonly kind: "stdio";
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
    }
  | { readonly kind: "http"; readonly url: string; readonly headers: Readonly<Record<string, string>> };

// `mcpServers`: Claude Desktop, Claude Code, Cursor, Windsurf and most others. `servers`: VS Code's mcp.json. `mcp.servers`: VS
// Code's settings.json. `context_servers`: Zed.
const SECTIONS = [["mcpServers"], ["servers"], ["mcp", "servers"], ["mcp.servers"], ["context_servers"]] as const;

/** Reads a client's configuration. Throws `CLIENT_CONFIG_INVALID`. */
export function parseClientConfig(file: string, text: string): ClientConfig {
  const root = parseJsonc(file, text);
  for (const path of SECTIONS) {
    const section = path.reduce<JsonNode | undefined>((node, key) => node?.members?.get(key), root);
    if (!section?.members) continue;
    const entries = [...section.members].flatMap(([name, node]): ClientEntry[] =>
      isObject(node.value) ? [{ name, value: node.value, node }] : [],
    );
    return { file, text, section: path.join("."), entries };
  }
  throw new CallgateError("CLIENT_CONFIG_INVALID", `\`${file}\` names no MCP servers`, {
    help: "give a client's configuration with `mcpServers` (Claude, Cursor, Windsurf), `servers` (VS Code) or `context_servers` (Zed)",
  });
}

/** What the client would start or reach for an entry, or why it cannot be told. `folder` is what relative paths start from. */
export function targetOf(
  entry: ClientEntry,
  folder: string,
): Target | { readonly kind: "unclear"; readonly reason: string } {
  const { value } = entry;
  const unclear = (reason: string) => ({ kind: "unclear", reason }) as const;
  if (value["disabled"] === true || value["enabled"] === false) return unclear("it is disabled");
  if (value["envFile"] !== undefined) return unclear("it reads an `envFile`: move its variables to `env` first");
  const { command } = value;
  if (typeof command === "string" && command !== "") {
    const args = value["args"] ?? [];
    if (!Array.isArray(args) || !args.every((a) => typeof a === "string"))
      return unclear("its `args` are not a list of texts");
    const env = texts(value["env"]);
    if (!env) return unclear("its `env` is not a mapping of names to texts");
    const cwd = typeof value["cwd"] === "string" ? value["cwd"] : ".";
    if ([command, ...args, cwd].some((t) => t.includes("${")))
      return unclear("its command holds a `${...}` that only the client can fill in");
    return { kind: "stdio", command, args, env, cwd: resolve(folder, cwd) };
  }
  const url = value["url"] ?? value["serverUrl"] ?? value["httpUrl"];
  if (typeof url !== "string" || url === "") return unclear("it has neither a `command` nor a `url`");
  if (value["type"] === "sse") return unclear("it speaks the old SSE transport: use its streamable HTTP address");
  if (url.includes("${")) return unclear("its `url` holds a `${...}` that only the client can fill in");
  const headers = texts(value["headers"]);
  return headers ? { kind: "http", url, headers } : unclear("its `headers` are not a mapping of names to texts");
}

/** Whether an entry runs behind Callgate already, whoever put it there. */
export function isWrapped(entry: ClientEntry): boolean {
  const args = entry.value["args"];
  if (!Array.isArray(args)) return false;
  const at = args.indexOf("serve");
  return (
    at >= 0 &&
    args[at + 1] === "--stdio" &&
    args[at + 2] === "--config" &&
    String(args[at + 3]).endsWith("callgate.yaml")
  );
}

/** Which client a file belongs to, by its usual place; `client` where it cannot be told. */
export function clientName(file: string): string {
  const path = file.replaceAll("\\", "/");
  const known: [RegExp, string][] = [
    [/\/claude_desktop_config\.json$/i, "claude-desktop"],
    [/\/\.cursor\/mcp\.json$/i, "cursor"],
    [/\/(?:\.codeium\/)?windsurf\/mcp_config\.json$/i, "windsurf"],
    [/\/(?:\.vscode|Code(?: - Insiders)?\/User(?:\/profiles\/[^/]+)?)\/(?:mcp|settings)\.json$/i, "vscode"],
    [/\/zed\/settings\.json$/i, "zed"],
    [/\/\.gemini\/settings\.json$/i, "gemini"],
    [/\/\.?mcp\.json$|\/\.claude\.json$/i, "claude-code"],
  ];
  return known.find(([pattern]) => pattern.test(path))?.[1] ?? "client";
}

/** A folder name for a client's file, of its own for every path. */
export function clientFolder(file: string): string {
  return `${clientName(file)}-${digestOf(file).slice(7, 15)}`;
}

/** The folder that a client starts its servers in, as far as it can be told: the project's, or the user's home. */
export function startFolder(file: string): string {
  const folder = dirname(file);
  const project = /^\.(?:vscode|cursor|gemini)$/.test(basename(folder))
    ? dirname(folder)
    : basename(file) === ".mcp.json"
      ? folder
      : undefined;
  return project ?? homedir();
}

/** A mapping of texts; numbers and booleans are taken as clients take them. `null` and the like are left out. */
function texts(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) return undefined;
  const out: [string, string][] = [];
  for (const [name, text] of Object.entries(value)) {
    if (text === null || text === undefined) continue;
    if (typeof text !== "string" && typeof text !== "number" && typeof text !== "boolean") return undefined;
    out.push([name, String(text)]);
  }
  return Object.fromEntries(out);
}
