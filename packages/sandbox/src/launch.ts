import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname } from "node:path";
import { interpreterOf, loadedLibraries } from "./elf.ts";
import { needsExact } from "./exact.ts";
import { seccompFilter } from "./seccomp.ts";
import { workerMain } from "./worker.ts";

/**
 * How a worker's process is fenced in by the operating system, best first. `bubblewrap`: namespaces, a file tree of its
 * own, a system call filter, and no user of this machine; `bubblewrap-owner`: the same as the broker's own user, where
 * another user cannot read Node. `namespaces`: `unshare`, with this machine's files. `privileges`: another user, no more.
 * `none` leaves the isolate and the process layer.
 */
export const FENCES = ["bubblewrap", "bubblewrap-owner", "namespaces", "privileges", "none"] as const;
export type Fence = (typeof FENCES)[number];

export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  /** To be written to descriptor 3: the system call filter. */
  readonly filter?: Buffer;
  /** True if the process that is started is only the worker's keeper, and the worker its one child. */
  readonly kept?: boolean;
}

/** Address space that a worker may make writable: the last bound on memory, where no sample comes in time. */
const DATA_BYTES = 3 * 2 ** 30;
const NOBODY = "65534";

function toolPath(name: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    .map((folder) => `${folder}/${name}`)
    .find((path) => existsSync(path));
}

/** The isolate addon built for this Node. */
export function addonPath(): string {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve("isolated-vm/package.json"));
  const build = createRequire(require.resolve("isolated-vm/package.json"))("node-gyp-build") as {
    path(folder: string): string;
  };
  return build.path(folder);
}

const FLAGS = [
  "--no-node-snapshot",
  "--permission",
  "--allow-addons",
  "--disable-warning=SecurityWarning",
  // isolated-vm lifts this flag in its own contexts, where the bootstrap takes the constructors away; it holds outside.
  "--disallow-code-generation-from-strings",
  // A fixed hash seed lets a guest slow its own tables; setting one costs each isolate a pass over its heap.
  "--no-rehash-snapshot",
  "--max-old-space-size=64",
  "--max-semi-space-size=1",
  "--v8-pool-size=1",
];

/** A file tree with Node, its libraries, the addon, and nothing else. */
function bareTree(addon: string): string[] {
  const bind = (from: string, to: string): string[] => ["--ro-bind", from, to];
  const tree = [...bind(process.execPath, "/bin/node"), ...bind(addon, "/addon.node")];
  const loader = interpreterOf(process.execPath);
  for (const path of loadedLibraries()) {
    if (path.endsWith(".node")) continue;
    // Under the name that programs ask for: `libc.so.6`, whatever it stands for here.
    tree.push(...bind(path, `/lib/${basename(path).replace(/(\.so(\.\d+)?).*$/, "$1")}`));
    if (!/^\/(usr\/)?lib(64)?\//.test(path)) tree.push(...bind(path, path));
  }
  if (loader !== undefined && !/^\/lib(64)?\//.test(loader)) tree.push(...bind(loader, loader));
  return [
    ...tree,
    "--symlink",
    "lib",
    "/lib64",
    "--symlink",
    "../lib",
    "/usr/lib",
    "--symlink",
    "../lib",
    "/usr/lib64",
  ];
}

/**
 * The command that starts a worker behind a fence, or what is missing for it. `program` stands in for the worker's own, in
 * tests that look at the fence from inside: it runs without Node's permission model.
 */
export function launchOf(fence: Fence, program?: string): Launch | { readonly missing: string } {
  const addon = addonPath();
  const main =
    program === undefined
      ? [...FLAGS, "--eval", `(${workerMain})(${needsExact})`]
      : [...FLAGS.filter((f) => !/permission|allow-addons/.test(f)), "--eval", program];
  if (fence === "none") return { file: process.execPath, args: [...main, addon] };
  const [unshare, setpriv, prlimit, bwrap] = ["unshare", "setpriv", "prlimit", "bwrap"].map(toolPath);
  if (!prlimit) return { missing: "`prlimit` of util-linux" };
  const limits = ["--core=0", "--nofile=64", "--fsize=0", `--data=${DATA_BYTES}`];
  const root = process.getuid?.() === 0;
  const drop = root
    ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    : [];

  if (fence === "bubblewrap" || fence === "bubblewrap-owner") {
    if (!bwrap) return { missing: "bubblewrap (`apt-get install bubblewrap`, or your system's package of that name)" };
    if (fence === "bubblewrap-owner" && !root) return { missing: "nothing: it is for a broker that runs as root" };
    if (root && fence === "bubblewrap" && !setpriv) return { missing: "`setpriv` of util-linux" };
    const filter = seccompFilter();
    // Three things are left out. `--new-session`: the broker has made one, with all of the worker in one process group that
    // it can kill at any time. A death signal before bubblewrap sets its own, and a pipe that tells the worker's id: where
    // the broker dies while a worker starts, either ends the keeper and leaves its child waiting for it for ever. A worker
    // that starts for a broker that is gone reads the end of its pipe, and ends.
    const fenced = [
      ...["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
      ...["--as-pid-1", "--die-with-parent", "--cap-drop", "ALL", "--clearenv"],
      ...["--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox"],
      ...bareTree(addon),
      ...["--remount-ro", "/", "--chdir", "/"],
      ...(filter === undefined ? [] : ["--seccomp", "3"]),
      ...["/bin/node", ...main, "/addon.node"],
    ];
    const asNobody = root && fence === "bubblewrap" ? [setpriv as string, ...drop] : [];
    return {
      file: prlimit,
      args: [...limits, ...asNobody, bwrap, ...fenced],
      kept: true,
      ...(filter === undefined ? {} : { filter }),
    };
  }

  if (!setpriv) return { missing: "`setpriv` of util-linux" };
  const inner = [setpriv, ...drop, "--no-new-privs", "--pdeathsig=KILL", process.execPath, ...main, addon];
  if (fence === "privileges") return { file: prlimit, args: [...limits, ...inner] };
  if (!unshare) return { missing: "`unshare` of util-linux" };
  const spaces = [...(root ? [] : ["--user"]), "--net", "--ipc", "--uts"];
  return { file: prlimit, args: [...limits, unshare, ...spaces, ...inner] };
}
