import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { CallgateError } from "@callgate/core";
import { checkBundle } from "../authoring/register.ts";
import {
  acceptPins,
  type Config,
  draftManifest,
  draftTool,
  type ManifestDraft,
  type ServerConfig,
  writeManifest,
} from "../config/index.ts";
import { keepDefinitions } from "../pins.ts";
import { textIfThere, writeAtomically } from "./files.ts";
import { manifestTools } from "./manifest-tools.ts";
import { type Survey, survey } from "./survey.ts";
import { type LeftOut, usable } from "./usable.ts";

/** What `register` does with a manifest that is there: refuse, replace it, or add to it what is new. */
export type RegisterMode = "new" | "replace" | "add";

/** A drafted manifest. Nothing of it is in force until a person has read it and the broker loads it. */
export interface Registration {
  /** The manifest's path. */
  readonly file: string;
  /** Its whole text. */
  readonly text: string;
  /** What was drafted: for `add`, the new tools alone. */
  readonly draft: ManifestDraft;
  readonly leftOut: readonly LeftOut[];
  readonly survey: Survey;
}

/**
 * Connects to a server of the configuration and drafts its manifest. Writes nothing: see `writeRegistration`.
 * Throws `MANIFEST_EXISTS`, `SERVER_UNREACHABLE`, `MODULE_CHANGED`, `NOTHING_OFFERED`, `MANIFEST_INVALID`.
 */
export async function draftRegistration(
  config: Config,
  server: ServerConfig,
  options: { readonly mode: RegisterMode; readonly timeout: number },
): Promise<Registration> {
  const { file } = server.manifest;
  if (server.transport === "module" && options.mode !== "add")
    throw new CallgateError("MANIFEST_EXISTS", `\`${server.name}\` is a module: its manifest pins its code too`, {
      help: `run \`callgate tool register <source> --server ${server.name}\``,
    });
  const before = await textIfThere(file);
  if (before !== undefined && options.mode === "new") {
    throw new CallgateError("MANIFEST_EXISTS", `\`${server.name}\` has a manifest already: \`${file}\``, {
      help: "add what is new with `--add`, write it anew with `--force`, look at a draft with `--stdout`, or accept changed definitions with `callgate pin --accept`",
    });
  }
  if (server.transport === "module" && before !== undefined) await checkBundle(server, before);
  const seen = await survey(server, {
    timeout: options.timeout,
    secrets: config.secrets,
    require: config.sandbox.require,
  });
  const { offer, leftOut } = usable(config.naming, server.name, seen);
  if (offer.tools.length === 0 && !offer.resources && !offer.prompts) {
    throw new CallgateError("NOTHING_OFFERED", `\`${server.name}\` offers nothing that can be governed`, {
      help:
        leftOut.length > 0
          ? "its tools have names that model APIs do not take"
          : "check that it is the right server: it lists no tools, resources or prompts",
    });
  }
  if (before === undefined || options.mode !== "add") {
    const draft = draftManifest(server.name, offer);
    return { file, text: registerText(draft), draft, leftOut, survey: seen };
  }
  const known = manifestTools(file, server.name, before);
  const fresh = offer.tools.filter((t) => !known.has(t.name));
  const added = Object.fromEntries(fresh.map((t) => [t.name, draftTool(server.name, t)]));
  return {
    file,
    text: acceptPins(before, {}, added),
    draft: { server: server.name, tools: added },
    leftOut,
    survey: seen,
  };
}

/** Writes a drafted manifest, and keeps the definitions that it pins. */
export async function writeRegistration(
  config: Config,
  { file, text, draft, survey: seen }: Registration,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeAtomically(file, text, 0o644);
  await keepDefinitions(
    config.data,
    draft.server,
    seen.tools.filter((t) => Object.hasOwn(draft.tools, t.name)),
  );
}

/** The scopes that a draft asks for, sorted. */
export function scopesOf(draft: ManifestDraft): string[] {
  const parts = [
    ...Object.values(draft.tools),
    ...(draft.resources ? [draft.resources] : []),
    ...(draft.prompts ? [draft.prompts] : []),
  ];
  return [...new Set(parts.flatMap((part) => part.scopes))].sort();
}

function registerText(draft: ManifestDraft): string {
  return writeManifest(
    draft,
    [
      `A draft of what \`${draft.server}\` offers, made from what the server says of itself: read it before you trust it.`,
      "Check the scopes and effects of each tool, and remove the tools that no agent should have. Each digest pins a",
      `definition: a tool whose definition changes cannot be called until \`callgate pin --accept ${draft.server}\`.`,
      "",
      "The server may ask nothing of the client that calls it. To let it, add what it may ask for:",
      "callbacks: [elicitation, sampling, roots]",
      "",
    ].join("\n"),
  );
}
