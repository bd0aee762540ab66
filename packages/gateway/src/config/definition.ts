import { type Digest, digestOfJson } from "@callgate/core";

/** A tool's definition as its server sent it. */
export type Definition = Readonly<Record<string, unknown>> & { readonly name: string };

const PINNED = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"] as const;

/**
 * The digest that a manifest pins: of all that a model reads or an argument is checked against. Keys that are absent or
 * undefined are left out; what else a definition carries (`_meta`, `icons`, `execution`) MUST NOT change it.
 */
export function definitionDigest(definition: Definition): Digest {
  return digestOfJson(
    Object.fromEntries(PINNED.filter((key) => definition[key] !== undefined).map((key) => [key, definition[key]])),
  );
}
