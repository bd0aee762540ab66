/** What every model API accepts as a tool's name. */
export const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** A server's name: no `__`, so that `server__tool` splits in one way only. */
export const SERVER_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]|_(?!_)){0,30}$/;

/** How tools of several servers share one list. `bare` is for a single server. */
export type Naming = "prefixed" | "bare";

/** The name an agent sees for a server's tool or prompt. */
export function qualifiedName(naming: Naming, server: string, name: string): string {
  return naming === "bare" ? name : `${server}__${name}`;
}

/** Compiles globs over names (`*` any run, `?` one character). MUST NOT treat anything else as special. */
export function compileGlobs(globs: readonly string[]): (name: string) => boolean {
  const exact = new Set(globs.filter((g) => !/[*?]/.test(g)));
  const patterns = globs
    .filter((g) => /[*?]/.test(g))
    .map((g) => new RegExp(`^${g.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*").replace(/\?/g, ".")}$`, "s"));
  return (name) => exact.has(name) || patterns.some((p) => p.test(name));
}
