// What a clone needs before anything can run: the packages of package-lock.json and Node 24.
// Plain JavaScript that runs on the host's own Node with nothing installed.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const MAJOR = 24;

/** Thrown with a sentence for the user; the caller prints it without a stack. */
export class SetupError extends Error {}

/**
 * Brings node_modules in step with package-lock.json if it is not. Costs a few milliseconds if it is.
 * `npm install --no-save` rather than `npm ci`: it changes only what differs, so that a pull costs seconds, and it accepts a lock
 * file without the optional packages of some other platform. Neither writes to the lock file.
 */
export function ensureInstalled() {
  if (!inStep()) {
    const why = existsSync(modules) ? "package-lock.json has changed" : "first run";
    console.error(`callgate: installing packages (${why}), this takes about half a minute`);
    const status = npm(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
    if (status !== 0)
      throw new SetupError(
        "`npm install` failed, see its message above\nhelp: once it is fixed, run the command again",
      );
  }
  if (!bundledNode() && !hostWillDo()) fetchNode();
}

/**
 * The Node that runs everything: the one of node_modules, so that all see the same, or else the host's if it is new enough.
 * MUST be called after `ensureInstalled`.
 */
export function nodePath() {
  const found = bundledNode() ?? (hostWillDo() ? process.execPath : undefined);
  if (!found)
    throw new SetupError(
      `no Node ${MAJOR} for ${process.platform} ${process.arch}: this host has ${process.version} and the \`node\` package brought none\n` +
        `help: install Node ${MAJOR} from https://nodejs.org and run the command again`,
    );
  return found;
}

// npm writes what it installed into a second lock file, last of all: one that is missing or differs says that an install is due,
// whoever ran the last one. Optional packages are left out, since each platform installs its own.
function inStep() {
  const wanted = packagesOf(join(root, "package-lock.json"));
  const present = packagesOf(join(modules, ".package-lock.json"));
  if (!wanted) throw new SetupError("package-lock.json is missing\nhelp: run `git checkout package-lock.json`");
  if (!present) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith("node_modules/") || entry.optional || entry.devOptional || entry.peer) return true;
    const has = present[path];
    return has !== undefined && has.version === entry.version && has.link === entry.link;
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

// The `node` package links the binary of a package for the platform into its own bin folder with an install script. Where it
// could not link, the binary is still in the package for the platform.
function bundledNode() {
  const file = process.platform === "win32" ? "node.exe" : "node";
  const names = platformPackages();
  return [
    join(modules, "node", "bin", file),
    ...names.map((name) => join(modules, "node", "node_modules", name, "bin", file)),
    ...names.map((name) => join(modules, name, "bin", file)),
  ].find((path) => existsSync(path));
}

function platformPackages() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  return [`node-bin-${platform}-${process.arch}`, `node-${platform}-${process.arch}`];
}

// Reached where npm runs no install scripts (`ignore-scripts=true`): this one script is what brings Node, and the task that the
// user asked for cannot run without it.
function fetchNode() {
  const folder = join(modules, "node");
  if (!existsSync(join(folder, "installArchSpecificPackage.js"))) return;
  console.error(`callgate: npm runs no install scripts here, fetching Node ${MAJOR} on its own`);
  spawnSync(process.execPath, ["installArchSpecificPackage.js"], {
    cwd: folder,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, npm_config_loglevel: "error" },
  });
}

function hostWillDo() {
  return Number(process.versions.node.split(".")[0]) >= MAJOR;
}

function npm(args) {
  // Under `npm start` the npm in use is known; it is run without a shell.
  const own = process.env.npm_execpath;
  const known = own !== undefined && basename(own) === "npm-cli.js" && existsSync(own);
  const [command, rest] = known ? [process.execPath, [own, ...args]] : ["npm", args];
  // stdout stays free for the task's own output.
  const done = spawnSync(command, rest, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: !known && process.platform === "win32",
  });
  if (done.error) throw new SetupError(`npm cannot be started: ${done.error.message}`);
  return done.status ?? 1;
}
