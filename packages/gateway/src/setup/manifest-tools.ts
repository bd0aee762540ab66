import { CallgateError, type Digest, formatDiagnostic, isObject } from "@callgate/core";
import { parseSource } from "../config/source.ts";

/**
 * The tools that a manifest's text names, each with its pinned digest where it has one. Reads a manifest that does not load
 * yet, since a missing digest is what pinning is for. Throws `MANIFEST_INVALID` for one that cannot be read at all.
 */
export function manifestTools(file: string, server: string, text: string): ReadonlyMap<string, Digest | undefined> {
  const read = parseSource(file, text);
  if (!read.ok) {
    throw new CallgateError("MANIFEST_INVALID", `the manifest of \`${server}\` cannot be read`, {
      help: read.diagnostics.map(formatDiagnostic).join("\n"),
      diagnostics: read.diagnostics,
    });
  }
  const value = isObject(read.value.value) ? read.value.value : {};
  if (value["server"] !== server) {
    throw new CallgateError("MANIFEST_INVALID", `the manifest \`${file}\` is not one for \`${server}\``, {
      help: `it says \`server: ${String(value["server"])}\`; write \`server: ${server}\`, or point the configuration to another file`,
    });
  }
  const tools = isObject(value["tools"]) ? Object.entries(value["tools"]) : [];
  return new Map(
    tools.map(([name, tool]) => {
      const digest = isObject(tool) ? tool["digest"] : undefined;
      return [name, typeof digest === "string" ? (digest as Digest) : undefined];
    }),
  );
}
