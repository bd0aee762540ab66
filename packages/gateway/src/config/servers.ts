import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { digestOf, isObject, type Span } from "@callgate/core";
import { isLoopback } from "./network.ts";
import { type Allowed, expand, type Place } from "./placeholder.ts";
import { runBudgets, toRunBudgets } from "./run-budgets.ts";
import type { ServerInput } from "./schema.ts";
import { Secret, type Setting } from "./secret.ts";
import type { Source } from "./source.ts";
import { didYouMean, nearest } from "./suggest.ts";
import type { HttpServer, Manifest, ModuleServer, ServerConfig, StdioServer } from "./types.ts";

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
  manifests: "read" | "skip" = "read",
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
  if (kind === "module" && input.module !== undefined) {
    if (manifests === "read") return moduleServer(base, input.module, input.fetchHeaders ?? {}, source, place);
    const file = resolve(place.dir, input.module);
    return { ...base, transport: "module", file, module: UNREAD_MODULE, fetchHeaders: {} };
  }
  return undefined;
}

/** Stands in where manifests are not read: it reaches nothing, and no bundle has its digest. */
const UNREAD_MODULE: ModuleServer["module"] = {
  digest: `sha256:${"0".repeat(64)}`,
  hosts: [],
  calls: [],
  fetch: { scopes: [], effects: [], labels: [] },
  budgets: toRunBudgets(runBudgets.parse({})),
};

/** A module is code: it is taken as the manifest pins it, or not at all. */
async function moduleServer(
  base: Omit<ModuleServer, "transport" | "file" | "module" | "fetchHeaders">,
  path: string,
  headers: NonNullable<ServerInput["fetchHeaders"]>,
  source: Source,
  place: Place,
): Promise<ModuleServer | undefined> {
  const span = source.at(["servers", base.name, "module"]);
  const again = `run \`callgate tool register\` for it, and read what changed`;
  const file = resolve(place.dir, path);
  const { module } = base.manifest;
  if (!module) {
    // A manifest that was not read has no tools, and is complained about elsewhere.
    if (Object.keys(base.manifest.tools).length > 0)
      place.findings.error(`the manifest of \`${base.name}\` has no \`module\``, span, again);
    return undefined;
  }
  const bytes = await readFile(file).catch(() => undefined);
  if (!bytes) {
    place.findings.error(`module \`${path}\` cannot be read`, span, again);
    return undefined;
  }
  if (digestOf(bytes) !== module.digest) {
    place.findings.error(`module \`${path}\` is not the one that its manifest pins`, span, again);
    return undefined;
  }
  const fetchHeaders: Record<string, Record<string, Setting>> = {};
  for (const [host, given] of Object.entries(headers)) {
    const at = ["servers", base.name, "fetchHeaders", host];
    if (!module.hosts.includes(host))
      place.findings.error(
        `\`${host}\` is not among the hosts of the module`,
        source.keyAt(at),
        module.hosts.length > 0
          ? didYouMean(host, module.hosts)
          : `the module cannot fetch: add it to \`module.hosts\` in its manifest, or leave this out`,
      );
    fetchHeaders[host] = await resolveSettings(given, at, source, place);
    checkHeaders(fetchHeaders[host], at, source, place);
  }
  return { ...base, transport: "module", file, module, fetchHeaders };
}

/** What makes a server of a kind, the keys that only that kind has, and what to do about those of another. */
const KINDS = {
  command: { kind: "stdio", own: ["args", "env", "cwd"], is: "for a program to start" },
  url: { kind: "http", own: ["headers", "insecure"], is: "for one that runs elsewhere" },
  module: { kind: "module", own: ["fetchHeaders"], is: "for code that runs in the sandbox" },
} as const;
type KindKey = keyof typeof KINDS;
const KIND_KEYS = Object.keys(KINDS) as KindKey[];

/** Which of the kinds a server is, by the keys that were written. */
function kindOf(
  name: string,
  written: ReadonlySet<string>,
  source: Source,
  place: Place,
): (typeof KINDS)[KindKey]["kind"] | undefined {
  const path = ["servers", name];
  const found = KIND_KEYS.filter((key) => written.has(key));
  const [first, second] = found;
  if (first !== undefined && second !== undefined) {
    place.findings.error(
      `server \`${name}\` has both \`${first}\` and \`${second}\``,
      source.keyAt([...path, second]),
      found.map((key, i) => `${i === 0 ? "keep " : ""}\`${key}\` ${KINDS[key].is}`).join(", or "),
    );
    return undefined;
  }
  if (first === undefined) {
    // A misspelt key has been reported as unknown.
    if ([...written].some((key) => nearest(key, KIND_KEYS) !== undefined)) return undefined;
    place.findings.error(
      `server \`${name}\` has none of \`command\`, \`url\` and \`module\``,
      source.keyAt(path),
      "add `command: <program>` to start one, `url: <endpoint>` to reach one, or `module: <bundle>` to run one in the sandbox",
    );
    return undefined;
  }
  for (const other of KIND_KEYS) {
    if (other === first) continue;
    for (const key of KINDS[other].own) {
      if (!written.has(key)) continue;
      place.findings.error(
        `\`${key}\` belongs to a server with \`${other}\``,
        source.keyAt([...path, key]),
        key === "env" && first === "url" ? "remove it; secrets for an endpoint go under `headers`" : "remove it",
      );
    }
  }
  return KINDS[first].kind;
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
