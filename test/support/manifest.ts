import { digestOfJson } from "@callgate/core";

const PINNED = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];

/** The digest that a manifest pins: of the definition's members that an agent sees, without the absent ones. */
export function pinOf(tool: object): string {
  return digestOfJson(
    Object.fromEntries(Object.entries(tool).filter(([key, value]) => PINNED.includes(key) && value !== undefined)),
  );
}

/** What a manifest says of a tool, or of resources or prompts. */
export interface Access {
  readonly scopes?: readonly string[];
  readonly effects?: readonly string[];
  readonly labels?: readonly string[];
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly arguments?: Readonly<Record<string, string>>;
}

const OPEN = { scopes: [], effects: ["read"] };

/** A manifest that pins the tools as they are, open to everyone but where `tools` says otherwise. */
export function manifestOf(
  server: string,
  tools: readonly { readonly name: string }[],
  more: { readonly tools?: Readonly<Record<string, Access>> } & Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const { tools: accesses, ...rest } = more;
  return {
    version: 1,
    server,
    tools: Object.fromEntries(
      tools.map((tool) => [tool.name, { ...OPEN, ...accesses?.[tool.name], digest: pinOf(tool) }]),
    ),
    ...rest,
  };
}

/** For `resources` and `prompts` of a manifest: open to everyone. */
export const EVERYONE = OPEN;

/** A policy that permits everything, so that a test meets the other guards alone. */
export const PERMIT_ALL = {
  policies: [{ id: "all", effect: "permit", tools: ["*"], reason: "this test may call everything" }],
};
