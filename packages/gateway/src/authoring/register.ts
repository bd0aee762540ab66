import { mkdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { CallgateError, type Digest, digestOf, isObject, SERVER_NAME } from "@callgate/core";
import { bundleModule } from "@callgate/sandbox";
import {
  acceptPins,
  type Config,
  type Definition,
  definitionDigest,
  draftTool,
  type ModuleServer,
  type ToolDraft,
  writeManifest,
} from "../config/index.ts";
import { parseSource } from "../config/source.ts";
import { keepDefinitions, pinnedDefinition } from "../pins.ts";
import { describeModule } from "../sandboxed/describe.ts";
import { textIfThere, writeAtomically } from "../setup/files.ts";
import { manifestTools } from "../setup/manifest-tools.ts";
import { casesFileOf, readCases } from "./cases.ts";
import { acceptBundle, type ModuleDraft, withModuleServer } from "./module-text.ts";

/** How a tool of a module stands against the manifest that was there. `gone`: the manifest names it, the module has it no more. */
export type ModuleToolState = "new" | "same" | "changed" | "gone";

export interface ModuleTool {
  readonly tool: string;
  readonly state: ModuleToolState;
  /** The accepted definition, where it is known; and the one that the module has now. */
  readonly before?: Definition;
  readonly now?: Definition;
  /** As drafted, for one that is new. */
  readonly draft?: ToolDraft;
}

/** A module that is ready to be written. Nothing of it is in force until a person has read the manifest. */
export interface ModuleRegistration {
  readonly server: string;
  readonly bundle: {
    readonly file: string;
    readonly code: string;
    readonly digest: Digest;
    readonly bytes: number;
    readonly inputs: readonly string[];
    /** The bundle that the manifest pinned before. */
    readonly before?: Digest;
  };
  readonly manifest: { readonly file: string; readonly text: string; readonly isNew: boolean };
  /** Present if the configuration does not name the module yet. */
  readonly configuration?: { readonly file: string; readonly text: string };
  readonly tools: readonly ModuleTool[];
  /** What the code may reach by the manifest as it will be. */
  readonly reach: Reach;
  /** What the author says that it needs beside that. A new manifest is drafted with it; one that is there is not widened by it. */
  readonly unmet: Reach;
}

interface Reach {
  readonly hosts: readonly string[];
  readonly calls: readonly string[];
}

export interface ModuleRequest {
  /** The file, or the folder with a `tool.ts`. */
  readonly entry: string;
  readonly server: string;
  /** Hosts and tools to let it reach, beside those that its manifest names. */
  readonly hosts: readonly string[];
  readonly calls: readonly string[];
  /** Milliseconds that the module may take to describe itself. */
  readonly wall: number;
}

/**
 * Bundles a module, asks it in the sandbox for its tools, and drafts its manifest; a manifest that is there keeps what a person
 * wrote. Writes nothing: see `writeModule`. Throws `BUNDLE_INVALID` and its like, `MODULE_INVALID`, `MANIFEST_INVALID`,
 * `TESTS_INVALID`, `BAD_ARGUMENT`.
 */
export async function draftModule(config: Config, request: ModuleRequest): Promise<ModuleRegistration> {
  const { server, wall, hosts, calls } = request;
  if (!SERVER_NAME.test(server) || server === "callgate")
    throw new CallgateError("BAD_ARGUMENT", `\`${server}\` is not a name for a server`, {
      help: "use letters, digits and `-`, at most 32",
    });
  const known = Object.hasOwn(config.servers, server) ? config.servers[server] : undefined;
  if (known && known.transport !== "module")
    throw new CallgateError("BAD_ARGUMENT", `\`${server}\` is a server of another kind`, {
      help: "give the module a name of its own with `--server`",
    });
  const bundle = await bundleModule(request.entry);
  const definitions = await describeModule(bundle.code, { wall, require: config.sandbox.require });
  const file = known?.file ?? join(config.dir, "modules", `${server}.js`);
  const manifestFile = known?.manifest.file ?? join(config.dir, "manifests", `${server}.yaml`);
  const before = await textIfThere(manifestFile);
  const pinned = before === undefined ? undefined : moduleIn(manifestFile, before);
  const cases = await readCases(await casesFileOf(request.entry));
  const wishes: Reach = cases?.wishes ?? { hosts: [], calls: [] };
  const granted = before === undefined ? wishes : (pinned ?? { hosts: [], calls: [] });
  const reach = {
    hosts: [...new Set([...granted.hosts, ...hosts])],
    calls: [...new Set([...granted.calls, ...calls])],
  };
  const budgets = before === undefined ? cases?.budgetsText : undefined;
  const tools = toolsOf(config, server, manifestFile, before, definitions, reach);
  return {
    server,
    bundle: {
      file,
      code: bundle.code,
      digest: bundle.digest,
      bytes: Buffer.byteLength(bundle.code),
      inputs: bundle.inputs,
      ...(pinned?.digest !== undefined && { before: pinned.digest }),
    },
    manifest: {
      file: manifestFile,
      text: manifestText(server, before, tools, {
        digest: bundle.digest,
        ...reach,
        ...(budgets && Object.keys(budgets).length > 0 && { budgets }),
      }),
      isNew: before === undefined,
    },
    ...(known === undefined && {
      configuration: {
        file: config.file,
        text: withModuleServer(await readFile(config.file, "utf8"), server, `modules/${server}.js`),
      },
    }),
    tools,
    reach,
    unmet: {
      hosts: wishes.hosts.filter((host) => !reach.hosts.includes(host)),
      calls: wishes.calls.filter((glob) => !reach.calls.includes(glob)),
    },
  };
}

/** Writes the bundle, the manifest and, where it does not name the module yet, the configuration; keeps the definitions. */
export async function writeModule(config: Config, registration: ModuleRegistration): Promise<void> {
  const { bundle, manifest, configuration, tools, server } = registration;
  for (const { file } of [bundle, manifest]) await mkdir(dirname(file), { recursive: true });
  // The bundle first: until the manifest pins it, a broker that reads both refuses it and goes on with what it has.
  await writeAtomically(bundle.file, bundle.code, 0o644);
  await writeAtomically(manifest.file, manifest.text, 0o644);
  if (configuration) await writeAtomically(configuration.file, configuration.text, 0o644);
  await keepDefinitions(
    config.data,
    server,
    tools.flatMap(({ now }) => (now ? [now] : [])),
  );
}

/**
 * Throws `MODULE_CHANGED` if the file of a module is not the bundle that its manifest's text pins: its tools MUST NOT be accepted as
 * those of a bundle that nobody registered.
 */
export async function checkBundle({ name, file, manifest }: ModuleServer, text: string): Promise<void> {
  const pinned = moduleIn(manifest.file, text)?.digest;
  const bytes = await readFile(file).catch(() => undefined);
  if (bytes && pinned === digestOf(bytes)) return;
  throw new CallgateError(
    "MODULE_CHANGED",
    bytes
      ? `\`${file}\` is not the bundle that the manifest of \`${name}\` pins`
      : `the bundle \`${file}\` is not there`,
    { help: `run \`callgate tool register <source> --server ${name}\`, and read what changed` },
  );
}

function moduleIn(file: string, text: string): { digest?: Digest; hosts: string[]; calls: string[] } | undefined {
  const read = parseSource(resolve(file), text);
  const value = read.ok && isObject(read.value.value) ? read.value.value["module"] : undefined;
  if (!isObject(value)) return undefined;
  const texts = (list: unknown): string[] => (Array.isArray(list) ? list.filter((t) => typeof t === "string") : []);
  const { digest } = value;
  return {
    ...(typeof digest === "string" && { digest: digest as Digest }),
    hosts: texts(value["hosts"]),
    calls: texts(value["calls"]),
  };
}

function toolsOf(
  config: Config,
  server: string,
  file: string,
  before: string | undefined,
  definitions: readonly Definition[],
  reach: Reach,
): ModuleTool[] {
  const known = before === undefined ? new Map<string, undefined>() : manifestTools(file, server, before);
  const tools = definitions.map((now): ModuleTool => {
    if (!known.has(now.name)) return { tool: now.name, state: "new", now, draft: draftOf(server, now, reach) };
    const pinned = known.get(now.name);
    const accepted = pinned && pinnedDefinition(config.data, server, now.name, pinned);
    return {
      tool: now.name,
      state: pinned === definitionDigest(now) ? "same" : "changed",
      now,
      ...(accepted && { before: accepted }),
    };
  });
  const names = new Set(definitions.map((d) => d.name));
  const gone = [...known.keys()]
    .filter((name) => !names.has(name))
    .map((tool): ModuleTool => ({ tool, state: "gone" }));
  return [...tools, ...gone];
}

/** Code that reaches no host and no tool can do nothing but compute, whatever it says of itself. */
function draftOf(server: string, now: Definition, { hosts, calls }: Reach): ToolDraft {
  if (hosts.length > 0 || calls.length > 0) return draftTool(server, now);
  const pure = { ...now, annotations: { readOnlyHint: true, openWorldHint: false } };
  return { ...draftTool(server, pure), digest: definitionDigest(now) };
}

function manifestText(
  server: string,
  before: string | undefined,
  tools: readonly ModuleTool[],
  module: ModuleDraft,
): string {
  const drafts = Object.fromEntries(tools.flatMap(({ tool, draft }) => (draft ? [[tool, draft]] : [])));
  if (before === undefined) return writeManifest({ server, module, tools: drafts }, HEADER(server));
  const pins = tools.flatMap(({ tool, state, now }) =>
    state === "changed" && now ? [[tool, definitionDigest(now)]] : [],
  );
  return acceptPins(acceptBundle(before, module), Object.fromEntries(pins) as Record<string, Digest>, drafts);
}

const HEADER = (server: string): string =>
  [
    `A draft of what the module \`${server}\` needs and does: read it before you trust it. \`module\` says what its code may`,
    "reach: hosts to `fetch` from, tools to call, and ceilings (`budgets`). The scopes and effects of each tool say who may",
    "call it and what a call does; they hold for what the code may reach, so look at them again when you let it reach more.",
    "",
  ].join("\n");
