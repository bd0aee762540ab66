import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isObject, type Span } from "@callgate/core";
import { isLoopback } from "./network.ts";
import { type Allowed, expand, type Place } from "./placeholder.ts";
import type { ServerInput } from "./schema.ts";
import { Secret, type Setting } from "./secret.ts";
import type { Source } from "./source.ts";
import { nearest } from "./suggest.ts";
import type { HttpServer, Manifest, ServerConfig, StdioServer } from "./types.ts";

const STDIO_ONLY = ["args", "env", "cwd"] as const;
const HTTP_ONLY = ["headers", "insecure"] as const;
/** Headers that the broker itself sets. */
const OWN_HEADERS = /^(?:host|content-length|content-type|accept|connection|transfer-encoding|mcp-.*)$/i;
const SECRET_NAME = /(?:^|[-_])(?:authorization|cookie|token|secret|passw(?:or)?d|key|apikey|credentials?)$/i;

/** Checks one server and resolves its paths and placeholders. Undefined if it cannot be reached at all. */
export async function resolveServer(
  name: string,
  input: ServerInput,
  manifest: Manifest,
  source: Source,
  place: Place,
): Promise<ServerConfig | undefined> {
  const path = ["servers", name];
  const raw = isObject(source.value) && isObject(source.value["servers"]) ? source.value["servers"][name] : undefined;
  const written = new Set(Object.keys(isObject(raw) ? raw : {}));
  const kind = kindOf(name, written, source, place);
  const base = {
    name,
    era: input.era,
    connection: input.connection !== "auto" ? input.connection : manifest.callbacks.length > 0 ? "session" : "shared",
    timeout: input.timeout,
    manifest,
  } as const;
  if (kind === "stdio" && input.command !== undefined) {
    const folders: Allowed = { folders: true, secrets: false };
    const text = async (value: string, key: string, ...more: number[]) =>
      String(await expand(value, source.at([...path, key, ...more]), folders, place));
    const server: StdioServer = {
      ...base,
      transport: "stdio",
      command: await text(input.command, "command"),
      args: await Promise.all((input.args ?? []).map((arg, i) => text(arg, "args", i))),
      env: await resolveSettings(input.env ?? {}, [...path, "env"], source, place),
      cwd: resolve(place.dir, await text(input.cwd ?? ".", "cwd")),
    };
    for (const key of Object.keys(server.env)) {
      if (/^[^=\0]+$/.test(key)) continue;
      place.findings.error(
        `\`${key}\` is not a variable's name`,
        source.keyAt([...path, "env", key]),
        "use letters, digits and `_`",
      );
    }
    const folder = await stat(server.cwd).catch(() => undefined);
    if (!folder?.isDirectory()) {
      place.findings.error(
        `folder \`${input.cwd}\` does not exist`,
        source.at([...path, "cwd"]),
        "create it, or change `cwd`",
      );
    }
    return server;
  }
  if (kind === "http" && input.url !== undefined) {
    const span = source.at([...path, "url"]);
    const url = parseUrl(input.url, span, place);
    const headers = await resolveSettings(input.headers ?? {}, [...path, "headers"], source, place);
    checkHeaders(headers, [...path, "headers"], source, place);
    const secret = Object.entries(headers).find(([, value]) => value instanceof Secret);
    if (url?.protocol === "http:" && !isLoopback(url.hostname) && secret && input.insecure !== true) {
      const help = "use `https`, or add `insecure: true` if nobody else is on that network";
      place.findings.error(`\`${secret[0]}\` would be sent to \`${url.host}\` in plain text`, span, help);
    }
    return url && ({ ...base, transport: "http", url: url.href, headers } satisfies HttpServer);
  }
  return undefined;
}

/** Which of the two kinds a server is, by the keys that were written. */
function kindOf(
  name: string,
  written: ReadonlySet<string>,
  source: Source,
  place: Place,
): "stdio" | "http" | undefined {
  const path = ["servers", name];
  const both = written.has("command") && written.has("url");
  if (both) {
    place.findings.error(
      `server \`${name}\` has both \`command\` and \`url\``,
      source.keyAt([...path, "url"]),
      "keep `command` for a program to start, or `url` for one that runs elsewhere",
    );
    return undefined;
  }
  if (!written.has("command") && !written.has("url")) {
    // A misspelt key has been reported as unknown.
    if ([...written].some((key) => nearest(key, ["command", "url"]) !== undefined)) return undefined;
    place.findings.error(
      `server \`${name}\` has neither \`command\` nor \`url\``,
      source.keyAt(path),
      "add `command: <program>` to start one, or `url: <endpoint>` to reach one",
    );
    return undefined;
  }
  const kind = written.has("command") ? "stdio" : "http";
  for (const key of kind === "stdio" ? HTTP_ONLY : STDIO_ONLY) {
    if (!written.has(key)) continue;
    const needs = kind === "stdio" ? "url" : "command";
    place.findings.error(
      `\`${key}\` belongs to a server with \`${needs}\``,
      source.keyAt([...path, key]),
      key === "env" ? "remove it; secrets for an endpoint go under `headers`" : "remove it",
    );
  }
  return kind;
}

function parseUrl(text: string, span: Span, place: Place): URL | undefined {
  const refuse = (message: string, help: string): undefined => {
    place.findings.error(message, span, help);
    return undefined;
  };
  if (text.includes("${"))
    return refuse("placeholders are not read in `url`", "write the address itself; secrets go under `headers`");
  if (!URL.canParse(text))
    return refuse(`\`${text}\` is not a URL`, "write it in full, as in `https://tools.example.com/mcp`");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return refuse(`\`${url.protocol}\` is not a protocol for servers`, "use `https:` or `http:`");
  }
  if (url.username || url.password)
    return refuse("the URL carries a user or a password", "send them under `headers`, from `${env:NAME}`");
  if (url.hash) return refuse("the URL has a fragment", `remove \`${url.hash}\``);
  return url;
}

function checkHeaders(
  headers: Readonly<Record<string, Setting>>,
  path: readonly string[],
  source: Source,
  place: Place,
): void {
  for (const [name, value] of Object.entries(headers)) {
    const span = source.keyAt([...path, name]);
    const text = value instanceof Secret ? value.reveal() : value;
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      place.findings.error(`\`${name}\` is not a header's name`, span, "use letters, digits and `-`");
    } else if (OWN_HEADERS.test(name)) {
      place.findings.error(`header \`${name}\` is set by callgate itself`, span, "remove it");
    }
    if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) {
      place.findings.error(
        `the value of \`${name}\` holds a character that no header can`,
        span,
        "keep to one line of plain text",
      );
    }
  }
}

/** Expands settings. One whose name says that it is a secret is kept as one even where it was written out. */
async function resolveSettings(
  input: Readonly<Record<string, string>>,
  path: readonly string[],
  source: Source,
  place: Place,
): Promise<Record<string, Setting>> {
  const out: Record<string, Setting> = Object.create(null);
  for (const [name, text] of Object.entries(input)) {
    const span = source.at([...path, name]);
    const value = await expand(text, span, { folders: true, secrets: true }, place);
    if (typeof value === "string" && value && !text.includes("${") && SECRET_NAME.test(name)) {
      place.findings.warn(
        `\`${name}\` looks like a secret that is written out`,
        span,
        "read it with `${env:NAME}` or `${file:path}`",
      );
      const secret = new Secret(value, "config");
      place.secrets.push(secret);
      out[name] = secret;
    } else out[name] = value;
  }
  return out;
}
