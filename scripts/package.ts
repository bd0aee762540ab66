// Builds the published package, packages/cli: the workspace's packages are bundled into dist/, everything else stays a dependency.
//   node scripts/package.ts           build
//   node scripts/package.ts --check   check the dependencies, build and lint what would be published
//   node scripts/package.ts --fix     write the dependencies
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { isAbsolute, join, relative } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { rolldown } from "rolldown";
import { bundledFolders, type PackageJson, publishedDependencies } from "./dependencies.ts";

const packages = join(import.meta.dirname, "..", "packages");
const folder = join(packages, "cli");
const manifest = join(folder, "package.json");

interface CliPackage extends PackageJson {
  readonly devDependencies: Readonly<Record<string, string>>;
}

const pkg = JSON.parse(readFileSync(manifest, "utf8")) as CliPackage;
const wanted = publishedDependencies(packages, bundledFolders(packages, pkg.devDependencies), pkg);
const inStep = JSON.stringify(wanted) === JSON.stringify(pkg.dependencies);

/** Writes dist/ in one step, so that nobody sees half of it. */
async function build(): Promise<void> {
  // What comes from npm stays outside; what is outside and no dependency is a mistake that only an empty folder would show.
  const isOutside = (id: string): boolean => !id.startsWith(".") && !isAbsolute(id) && !id.startsWith("@callgate/");
  const bundle = await rolldown({
    input: {
      main: join(folder, "src", "main.ts"),
      index: join(folder, "src", "index.ts"),
      // The ledger starts its worker as a file of its own beside itself.
      writer: join(packages, "ledger", "src", "writer.ts"),
      // So it does with the thread that fills its index, and the process that runs SQL.
      "search-worker": join(packages, "ledger", "src", "search", "worker.ts"),
      "sql-child": join(packages, "ledger", "src", "sql", "child.ts"),
      // And the sandbox with the thread that reads scripts.
      "study-worker": join(packages, "sandbox", "src", "study-worker.ts"),
      // A command of its own, `callgate-verify`, and its threads.
      verify: join(packages, "verify", "src", "main.ts"),
      "verify-worker": join(packages, "verify", "src", "worker.ts"),
    },
    platform: "node",
    external: isOutside,
    // What a command does not use is not loaded with it: none of our modules does anything by being imported.
    treeshake: { moduleSideEffects: "no-external" },
    onLog(_level, log) {
      throw new Error(log.message);
    },
  });
  const fresh = join(folder, `dist-${process.pid}`);
  try {
    // Flat: a file that looks for another beside itself finds it, whichever chunk it ends up in.
    const { output } = await bundle.write({
      dir: fresh,
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "[name]-[hash].js",
    });
    const chunks = output.filter((part) => part.type === "chunk");
    const own = new Set(chunks.map((chunk) => chunk.fileName));
    const stray = chunks
      .flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports])
      .filter((id) => !own.has(id) && !isBuiltin(id) && !isDependency(id));
    if (stray.length > 0)
      throw new Error(
        `the bundle imports what no package.json names as a dependency: ${[...new Set(stray)].join(", ")}`,
      );
    const dist = join(folder, "dist");
    // What is as it should be stays in place: somebody may be running it.
    if (!isSame(fresh, dist)) {
      rmSync(dist, { recursive: true, force: true });
      renameSync(fresh, dist);
    }
    // The packs, which the code looks for beside its folder.
    const policies = join(folder, "policies");
    const source = join(packages, "..", "policies");
    if (!isSame(source, policies)) {
      rmSync(policies, { recursive: true, force: true });
      cpSync(source, policies, { recursive: true });
    }
    const size = chunks.reduce((sum, chunk) => sum + chunk.code.length, 0);
    console.log(`built packages/cli/dist: ${output.length} files, ${Math.round(size / 1024)} KiB`);
  } finally {
    await bundle.close();
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Paths within a folder, sorted. */
function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

/** Whether two folders hold the same files. */
function isSame(one: string, other: string): boolean {
  try {
    const names = filesIn(one);
    return (
      names.join("\n") === filesIn(other).join("\n") &&
      names.every((name) => readFileSync(join(one, name)).equals(readFileSync(join(other, name))))
    );
  } catch {
    return false;
  }
}

function isDependency(id: string): boolean {
  return Object.keys(wanted).some((name) => id === name || id.startsWith(`${name}/`));
}

async function lint(): Promise<boolean> {
  const { messages, pkg: read } = await publint({ pkgDir: folder, strict: true, level: "warning" });
  for (const message of messages) console.error(formatMessage(message, read, { color: false }));
  return messages.length === 0;
}

async function run(mode: string | undefined): Promise<number> {
  if (mode === "--fix") {
    if (!inStep) writeFileSync(manifest, `${JSON.stringify({ ...pkg, dependencies: wanted }, null, 2)}\n`);
    return 0;
  }
  if (!inStep) {
    console.error(
      "packages/cli/package.json: `dependencies` differ from those of the packages that are bundled\nhelp: npm run fix",
    );
    return 1;
  }
  await build();
  return mode !== "--check" || (await lint()) ? 0 : 1;
}

process.exitCode = await run(process.argv[2]);
