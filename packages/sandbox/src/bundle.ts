import { realpathSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { CallgateError, type Diagnostic, type Digest, digestOf, messageOf } from "@callgate/core";
import type { rolldown } from "rolldown";
import type { parseAst } from "rolldown/parseAst";
import { ImportRules, packageRoot, shown, spanAt } from "./bundle-imports.ts";
import { MODULE_ENTRY } from "./module-entry.ts";

/** A module of tools as one file. The same source gives the same bytes, wherever it lies. */
export interface Bundle {
  /** One ES module that imports nothing. It exports `describe()` and `call({ tool, args })`. */
  readonly code: string;
  readonly digest: Digest;
  /** What it was made of, sorted: own files by their path in the package, others as `name@version`. */
  readonly inputs: readonly string[];
}

/** Largest bundle, in bytes. */
export const LARGEST_BUNDLE = 1024 * 1024;

const ENTRY = "callgate:entry";
const SOURCE = "callgate:source";
const HIDDEN = "\0";

/**
 * Bundles the package that `entry` belongs to, or the file alone if there is no package.json around it. Runs none of it.
 * Throws `BUNDLE_INVALID` with every import that is refused and every error of syntax, `BUNDLE_TOO_LARGE`, and
 * `BUNDLER_MISSING` where the bundler is not installed for this platform.
 */
export async function bundleModule(entry: string): Promise<Bundle> {
  const file = entryOf(entry);
  const root = packageRoot(file);
  const rules = new ImportRules(root);
  const bundler = await loadBundler();
  const built = await bundler.rolldown({
    input: ENTRY,
    cwd: root,
    // Neither Node nor a browser: what a package offers for them needs what a guest has not.
    platform: "neutral",
    tsconfig: false,
    // Links are followed, so that what is checked is what is read.
    resolve: { mainFields: ["module", "main"], symlinks: true },
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
    // Names of files stand in no comment: they would make the digest a matter of where the source lies.
    experimental: { attachDebugInfo: "none" },
    onLog: () => {},
    plugins: [
      {
        name: "callgate",
        async resolveId(specifier, importer) {
          if (specifier === ENTRY) return HIDDEN + ENTRY;
          if (importer === undefined) return null;
          if (importer === HIDDEN + ENTRY && specifier === SOURCE) return file;
          // The bundler's own parts.
          if (importer.startsWith(HIDDEN) || specifier.startsWith(HIDDEN)) return null;
          if (rules.refusedText(specifier, importer)) return { id: specifier, external: true };
          const found = await this.resolve(specifier, importer, { skipSelf: true });
          const target = found && !found.external ? found.id : undefined;
          if (rules.refusedTarget(specifier, importer, target)) return { id: specifier, external: true };
          return target;
        },
        load: (id) => (id === HIDDEN + ENTRY ? { code: MODULE_ENTRY, moduleType: "js" } : null),
        transform(code, id) {
          if (id.startsWith(HIDDEN) || !/\bimport\b[^;]{0,40}\(/.test(code)) return null;
          const lang = /\.[mc]?ts$/.test(id) ? "ts" : "js";
          for (const node of nodesOf(bundler.parseAst(code, { lang }, id)))
            if (node.type === "ImportExpression" && node["source"]?.type !== "Literal")
              rules.refuseAt(
                spanAt(id, code, node.start),
                "this import is only known when it runs",
                "name the module as a text, and import it at the top",
              );
          return null;
        },
      },
    ],
  });
  let code: string;
  let inputs: readonly string[];
  try {
    const { output } = await built.generate({ format: "esm", codeSplitting: false, comments: true, sourcemap: false });
    const [chunk] = output;
    code = chunk.code;
    const files = chunk.moduleIds.filter((id) => !id.startsWith(HIDDEN));
    inputs = [...new Set(files.map((id) => rules.nameOf(id)))].sort();
  } catch (error) {
    const diagnostics = diagnosticsOf(error, rules);
    if (diagnostics.length === 0 && rules.problems.length === 0) throw refused([{ message: messageOf(error) }]);
    throw refused([...rules.problems, ...diagnostics]);
  } finally {
    await built.close();
  }
  if (rules.problems.length > 0) throw refused(rules.problems);
  checkClosed(bundler.parseAst(code, { lang: "js" }));
  const bytes = Buffer.byteLength(code);
  if (bytes > LARGEST_BUNDLE)
    throw new CallgateError("BUNDLE_TOO_LARGE", `the bundle has ${bytes} bytes, more than ${LARGEST_BUNDLE}`, {
      help: `leave out what the tools do not need; it was made of ${inputs.slice(0, 8).join(", ")}`,
    });
  return { code, digest: digestOf(code), inputs };
}

/** The file that a path names: itself, or `tool.ts` and its like in a folder. */
function entryOf(entry: string): string {
  const stat = statSync(entry, { throwIfNoEntry: false });
  const names = ["tool.ts", "tool.mts", "tool.js", "tool.mjs"];
  const found = stat?.isDirectory()
    ? names.map((name) => join(entry, name)).find((f) => statSync(f, { throwIfNoEntry: false })?.isFile())
    : stat?.isFile()
      ? entry
      : undefined;
  if (found === undefined)
    throw new CallgateError("BAD_ARGUMENT", `there is no module at \`${shown(entry)}\``, {
      help: stat?.isDirectory()
        ? `the folder has none of ${names.join(", ")}: name the file`
        : "make one with `callgate tool new <folder>`",
    });
  if (!/^\.[mc]?[jt]s$/.test(extname(found)))
    throw new CallgateError("BAD_ARGUMENT", `\`${shown(found)}\` is neither TypeScript nor JavaScript`);
  return realpathSync(found);
}

async function loadBundler(): Promise<{ rolldown: typeof rolldown; parseAst: typeof parseAst }> {
  try {
    // Only here: it is a large native addon, and a broker that registers nothing has no use for it.
    const [bundler, parser] = await Promise.all([import("rolldown"), import("rolldown/parseAst")]);
    return { rolldown: bundler.rolldown, parseAst: parser.parseAst };
  } catch (cause) {
    throw new CallgateError("BUNDLER_MISSING", `the bundler cannot be loaded: ${messageOf(cause).split("\n")[0]}`, {
      help: "install callgate with its optional packages, on a platform that rolldown is built for",
      cause,
    });
  }
}

/** INVARIANT: a bundle imports nothing. The guest could not, and what it means would be decided elsewhere. */
function checkClosed(tree: unknown): void {
  for (const node of nodesOf(tree)) {
    const imports = /^(?:Import(?:Declaration|Expression)|ExportAllDeclaration)$/.test(node.type);
    if (imports || (node.type === "ExportNamedDeclaration" && node["source"]))
      throw refused([
        {
          message: "the bundle still imports something",
          help: "import by name, at the top of a file, and not by a text that is made up when it runs",
        },
      ]);
  }
}

type AnyNode = { readonly type: string; readonly start: number } & Readonly<Record<string, { type?: string } | null>>;

function* nodesOf(tree: unknown): Generator<AnyNode> {
  const open: unknown[] = [tree];
  while (open.length > 0) {
    const at = open.pop();
    if (Array.isArray(at)) open.push(...(at as unknown[]));
    else if (typeof at === "object" && at !== null) {
      if (typeof (at as AnyNode).type === "string") yield at as AnyNode;
      open.push(...Object.values(at));
    }
  }
}

function refused(diagnostics: readonly Diagnostic[]): CallgateError {
  const n = diagnostics.length;
  return new CallgateError("BUNDLE_INVALID", `${n} ${n === 1 ? "problem" : "problems"} in the module's source`, {
    diagnostics,
  });
}

/** What the bundler found wrong with the text of a file. */
function diagnosticsOf(error: unknown, rules: ImportRules): Diagnostic[] {
  const errors = (error as { errors?: unknown }).errors;
  return (Array.isArray(errors) ? errors : [error]).flatMap((one: Record<string, unknown> & Error): Diagnostic[] => {
    const loc = one["loc"] as { file?: string; line?: number; column?: number } | undefined;
    const file = loc?.file ?? (one["id"] as string | undefined);
    // Colours and the quoted source are the bundler's way to print; the place is told by ours.
    const text = messageOf(one).replace(/\u001b\[[0-9;]*m/g, "");
    const [first = ""] = text.split("\n").filter((line) => line.trim() !== "");
    const message = first.replace(/^\s*(?:Build failed[^:]*:|\[[A-Z_]+\])\s*(?:Error:\s*)?/, "");
    const span =
      file && file !== "" ? { file: shown(join(rules.packageOf(file).folder, rules.nameOf(file))) } : undefined;
    return [{ message, ...(span && loc && { span: { ...span, line: loc.line ?? 1, column: (loc.column ?? 0) + 1 } }) }];
  });
}
