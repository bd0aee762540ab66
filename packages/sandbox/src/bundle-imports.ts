import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname, isAbsolute, join, relative, sep } from "node:path";
import type { Diagnostic, Span } from "@callgate/core";

/** A package as its folder and its package.json show it. */
export interface PackageFolder {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly dependencies: ReadonlySet<string>;
}

const KNOWN = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]);

/**
 * Which imports a bundle may follow. One package is bundled: its own files, and packages that it declares, each held to
 * the same rule. What is refused is collected, so that an author sees all of it at once.
 */
export class ImportRules {
  readonly problems: Diagnostic[] = [];
  readonly #root: PackageFolder;
  readonly #packages = new Map<string, PackageFolder>();

  /** `root` is the folder of the package that is bundled: an absolute, real path. */
  constructor(root: string) {
    this.#root = packageAt(root) ?? { folder: root, name: "", version: "", dependencies: new Set() };
    this.#packages.set(root, this.#root);
  }

  /** The package that a file belongs to. */
  packageOf(file: string): PackageFolder {
    const seen: string[] = [];
    for (let folder = dirname(file); ; folder = dirname(folder)) {
      const found = this.#packages.get(folder) ?? packageAt(folder);
      seen.push(folder);
      if (found) {
        for (const one of seen) this.#packages.set(one, found);
        return found;
      }
      if (folder === dirname(folder)) return this.#root;
    }
  }

  /** Refuses an import by its text alone. True if it was refused. */
  refusedText(specifier: string, importer: string): boolean {
    const from = this.packageOf(importer);
    const name = packageName(specifier);
    if (isRelative(specifier) || specifier.startsWith("#")) return false;
    if (isBuiltin(specifier) && !from.dependencies.has(name))
      return this.#refuse(
        specifier,
        importer,
        `\`${specifier}\` is part of Node, which code in the sandbox has not`,
        "use what the sandbox gives: `fetch`, `crypto`, `scratch`, `tools`; or do it in a server of its own",
      );
    if (isAbsolute(specifier) || /^[a-z][a-z0-9+.-]*:/i.test(specifier))
      return this.#refuse(
        specifier,
        importer,
        `\`${specifier}\` is no file of this package`,
        "copy it into the package's folder and import it by its relative path",
      );
    if (name !== from.name && !from.dependencies.has(name))
      return this.#refuse(
        specifier,
        importer,
        from.folder === this.#root.folder
          ? `\`${name}\` is not declared as a dependency`
          : `\`${from.name}\` imports \`${name}\`, which it does not declare`,
        from.folder === this.#root.folder
          ? `run \`npm install ${name}\` in ${shown(this.#root.folder)}`
          : "use another package, or an older or newer version of it",
      );
    return false;
  }

  /** Refuses an import by where it leads. `target` is an absolute path, links followed, or undefined where it leads nowhere. */
  refusedTarget(specifier: string, importer: string, target: string | undefined): boolean {
    if (target === undefined)
      return this.#refuse(
        specifier,
        importer,
        `\`${specifier}\` cannot be found`,
        isRelative(specifier) ? "check the path and its ending" : `run \`npm install\` in ${shown(this.#root.folder)}`,
      );
    const { folder } = this.packageOf(importer);
    if ((isRelative(specifier) || specifier.startsWith("#")) && !isInside(folder, target))
      return this.#refuse(
        specifier,
        importer,
        `\`${specifier}\` is outside the package's folder ${shown(folder)}`,
        "move it inside, or make it a package and declare it as a dependency",
      );
    if (!KNOWN.has(extname(target)))
      return this.#refuse(
        specifier,
        importer,
        `\`${specifier}\` is neither JavaScript, TypeScript nor JSON`,
        "write its content into a module",
      );
    return false;
  }

  /** Refuses code at a place in a file. */
  refuseAt(span: Span, message: string, help: string): void {
    this.problems.push({ message, span, help });
  }

  /** A file as a report names it: by its path in the package, or by the name and version of another package. */
  nameOf(file: string): string {
    const from = this.packageOf(file);
    return from.folder === this.#root.folder
      ? relative(this.#root.folder, file).split(sep).join("/")
      : `${from.name}@${from.version}`;
  }

  #refuse(specifier: string, importer: string, message: string, help: string): true {
    const span = placeOf(importer, specifier);
    if (!this.problems.some((p) => p.message === message && p.span?.file === span.file))
      this.problems.push({ message, span, help });
    return true;
  }
}

/** The nearest folder with a package.json that has a name, else the folder of the file. */
export function packageRoot(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (packageAt(folder)) return folder;
    if (folder === dirname(folder)) return dirname(file);
  }
}

function packageAt(folder: string): PackageFolder | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, "package.json"), "utf8");
  } catch {
    return undefined;
  }
  try {
    const read = JSON.parse(text) as Record<string, unknown>;
    const { name, version } = read;
    if (typeof name !== "string") return undefined;
    const keys = (field: string): string[] => Object.keys((read[field] as object | undefined) ?? {});
    const dependencies = ["dependencies", "optionalDependencies", "peerDependencies"].flatMap(keys);
    return {
      folder,
      name,
      version: typeof version === "string" ? version : "unknown",
      dependencies: new Set(dependencies),
    };
  } catch {
    return undefined;
  }
}

/** The line and column at which a file's text names `specifier`; its start where it does not. */
function placeOf(file: string, specifier: string): Span {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // A file that came from elsewhere: its start is named.
  }
  const at = [`"${specifier}"`, `'${specifier}'`, `\`${specifier}\``]
    .map((quoted) => text.indexOf(quoted))
    .filter((i) => i >= 0);
  return spanAt(file, text, at.length === 0 ? 0 : Math.min(...at));
}

/** The place of an offset in a text. */
export function spanAt(file: string, text: string, offset: number): Span {
  const before = text.slice(0, offset);
  return { file: shown(file), line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

/** A path relative to where the command runs, if it is below. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" ? "." : short.startsWith("..") || isAbsolute(short) ? path : short;
}

function isInside(folder: string, file: string): boolean {
  const way = relative(folder, file);
  return way !== "" && !way.startsWith("..") && !isAbsolute(way);
}

const isRelative = (specifier: string): boolean => /^\.\.?(?:[\\/]|$)/.test(specifier);

function packageName(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] as string);
}
