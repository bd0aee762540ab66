import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The parts of a package.json that packaging reads. */
export interface PackageJson {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const OWN = "@callgate/";

/** Reads the package.json of a folder. */
export function readPackage(folder: string): PackageJson {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageJson;
}

/**
 * What the published package must depend on: its own dependencies and those of every workspace package that is bundled into it,
 * sorted by name. Throws where two packages want different ranges.
 * @param packages the folder of the workspace's packages
 */
export function publishedDependencies(
  packages: string,
  bundled: readonly string[],
  own: PackageJson,
): Record<string, string> {
  const wanted = new Map<string, { range: string; by: string }>();
  for (const folder of bundled) {
    const { name: by, dependencies = {} } = readPackage(join(packages, folder));
    for (const [name, range] of Object.entries(dependencies)) {
      if (name.startsWith(OWN)) continue;
      const other = wanted.get(name);
      if (other && other.range !== range)
        throw new Error(
          `\`${name}\` is ${other.range} in ${other.by} and ${range} in ${by}\nhelp: give both the same range`,
        );
      wanted.set(name, { range, by });
    }
  }
  const all = { ...own.dependencies, ...Object.fromEntries([...wanted].map(([name, { range }]) => [name, range])) };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The workspace folders that `from` pulls in through dependencies on `@callgate/…` packages, itself left out. */
export function bundledFolders(packages: string, from: Readonly<Record<string, string>>): string[] {
  const seen = new Set<string>();
  const visit = (dependencies: Readonly<Record<string, string>>): void => {
    for (const name of Object.keys(dependencies)) {
      const folder = name.startsWith(OWN) ? name.slice(OWN.length) : undefined;
      if (folder === undefined || seen.has(folder)) continue;
      seen.add(folder);
      visit(readPackage(join(packages, folder)).dependencies ?? {});
    }
  };
  visit(from);
  return [...seen].sort();
}
