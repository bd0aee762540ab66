import { qualifiedName, TOOL_NAME } from "@callgate/core";
import { type Config, type Definition, definitionDigest, type Offer } from "../config/index.ts";

/** A tool that cannot be offered to agents, and why. */
export interface LeftOut {
  readonly tool: string;
  readonly reason: string;
}

/**
 * Takes out the tools that agents could not be offered: one bad name MUST NOT keep the whole configuration from loading.
 * `naming` decides what the names are prefixed with.
 */
export function usable<T extends Offer>(
  naming: Config["naming"],
  server: string,
  offer: T,
): { readonly offer: T; readonly leftOut: readonly LeftOut[] } {
  const leftOut: LeftOut[] = [];
  const seen = new Set<string>();
  const tools = offer.tools.filter((tool) => {
    const { name } = tool;
    const qualified = qualifiedName(naming, server, name);
    const reason =
      name === "__proto__" || !/^[a-zA-Z0-9_-]+$/.test(qualified)
        ? "model APIs take names of letters, digits, `_` and `-` only"
        : !TOOL_NAME.test(qualified)
          ? `\`${qualified}\` is ${qualified.length} characters long, and model APIs take 64`
          : seen.has(name)
            ? "the server lists it twice"
            : hasDigest(tool)
              ? undefined
              : "its definition is not well-formed JSON, so that it cannot be pinned";
    seen.add(name);
    if (reason !== undefined) leftOut.push({ tool: name, reason });
    return reason === undefined;
  });
  return { offer: { ...offer, tools }, leftOut };
}

function hasDigest(tool: Definition): boolean {
  try {
    return definitionDigest(tool) !== undefined;
  } catch {
    return false;
  }
}
