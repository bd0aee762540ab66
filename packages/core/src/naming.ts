/** What every model API accepts as a tool's name. */
export const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/**
 * A server's name: no `__` and no `_` at its end, so that the first `__` of `server__tool` is where it splits, whatever
 * the tool is called (`a_` and `b` would meet `a` and `_b` in `a___b`).
 */
export const SERVER_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]|_(?=[a-zA-Z0-9-])){0,30}$/;

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
    .map(
      (g) =>
        new RegExp(
          `^${g
            .replace(/[.+^${}()|[\]\\]/g, "\\$&")
            .replace(/\*+/g, ".*")
            .replace(/\?/g, ".")}$`,
          "s",
        ),
    );
  return (name) => exact.has(name) || patterns.some((p) => p.test(name));
}
