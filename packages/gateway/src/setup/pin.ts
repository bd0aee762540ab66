import { CallgateError, type Digest } from "@callgate/core";
import { checkBundle } from "../authoring/register.ts";
import { acceptPins, type Config, type Definition, definitionDigest, type ServerConfig } from "../config/index.ts";
import { keepDefinitions, pinnedDefinition } from "../pins.ts";
import { textIfThere, writeAtomically } from "./files.ts";
import { manifestTools } from "./manifest-tools.ts";
import { survey } from "./survey.ts";

/**
 * How a tool's pin stands. `same`: what is offered is what was accepted. `drifted`: it is not. `unpinned`: the manifest has
 * no digest. `missing`: the server does not offer it. `new`: the manifest does not name it.
 */
export type PinState = "same" | "drifted" | "unpinned" | "missing" | "new";

export interface PinnedTool {
  readonly tool: string;
  readonly state: PinState;
  readonly pinned?: Digest;
  readonly offered?: Digest;
  /** The accepted definition, where it is known; and the one that is offered. */
  readonly before?: Definition;
  readonly now?: Definition;
}

/**
 * Compares what a server offers now with what its manifest pins, in the manifest's order and then the server's. Throws
 * `MANIFEST_MISSING`, `MANIFEST_INVALID`, `MODULE_CHANGED`, `SERVER_UNREACHABLE`.
 */
export async function comparePins(config: Config, server: ServerConfig, timeout: number): Promise<PinnedTool[]> {
  const text = await manifestText(server);
  const known = manifestTools(server.manifest.file, server.name, text);
  if (server.transport === "module") await checkBundle(server, text);
  const { tools } = await survey(server, { timeout, secrets: config.secrets, require: config.sandbox.require });
  const offered = new Map(tools.map((t) => [t.name, t]));
  const compared = [...known].map(([tool, pinned]): PinnedTool => {
    const now = offered.get(tool);
    const before = pinned && pinnedDefinition(config.data, server.name, tool, pinned);
    const base = { tool, ...(pinned && { pinned }), ...(before && { before }) };
    if (!now) return { ...base, state: "missing" };
    const digest = definitionDigest(now);
    return {
      ...base,
      state: pinned === undefined ? "unpinned" : pinned === digest ? "same" : "drifted",
      offered: digest,
      now,
    };
  });
  const fresh = tools.filter((t) => !known.has(t.name));
  return [
    ...compared,
    ...fresh.map((now): PinnedTool => ({ tool: now.name, state: "new", offered: definitionDigest(now), now })),
  ];
}

/**
 * Writes the digests of what is offered into the manifest: of all tools that drifted or have none, or of `only`. The rest of
 * the manifest stays as it is. Returns what was accepted. Throws `PIN_UNKNOWN_TOOL` for a name that the comparison lacks or
 * that cannot be pinned.
 */
export async function acceptCompared(
  config: Config,
  server: ServerConfig,
  compared: readonly PinnedTool[],
  only: readonly string[],
): Promise<PinnedTool[]> {
  for (const name of only) {
    const found = compared.find((c) => c.tool === name);
    if (found && found.state !== "new" && found.state !== "missing") continue;
    throw new CallgateError(
      "PIN_UNKNOWN_TOOL",
      found?.state === "missing"
        ? `\`${server.name}\` does not offer \`${name}\``
        : `\`${name}\` is not in the manifest of \`${server.name}\``,
      {
        help:
          found?.state === "new"
            ? `draft it with \`callgate register ${server.name} --add\``
            : `run \`callgate pin ${server.name}\` to see its tools`,
      },
    );
  }
  const accepted = compared.filter(
    (c) => (c.state === "drifted" || c.state === "unpinned") && (only.length === 0 || only.includes(c.tool)),
  );
  if (accepted.length > 0) {
    const pins = Object.fromEntries(accepted.map((c) => [c.tool, c.offered as Digest]));
    await writeAtomically(server.manifest.file, acceptPins(await manifestText(server), pins), 0o644);
  }
  // What has not changed is kept too: the manifest may have come without its definitions.
  const looked = [...compared.filter((c) => c.state === "same"), ...accepted];
  await keepDefinitions(
    config.data,
    server.name,
    looked.flatMap((c) => (c.now ? [c.now] : [])),
  );
  return accepted;
}

async function manifestText(server: ServerConfig): Promise<string> {
  const text = await textIfThere(server.manifest.file);
  if (text !== undefined) return text;
  throw new CallgateError("MANIFEST_MISSING", `\`${server.name}\` has no manifest at \`${server.manifest.file}\``, {
    help: `run \`callgate register ${server.name}\` to write one`,
  });
}
