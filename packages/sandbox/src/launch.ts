import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { workerMain } from "./worker.ts";

/** How a worker's process is fenced in by the operating system. `none` leaves the isolate and the process layer. */
export type Fence = "namespaces" | "privileges" | "none";

export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
}

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

/** The command that starts a worker behind a fence, or what is missing for it. */
export function launchOf(fence: Fence): Launch | { readonly missing: string } {
  const node = [
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
    "--eval",
    `(${workerMain})()`,
    addonPath(),
  ];
  if (fence === "none") return { file: process.execPath, args: node };
  const [unshare, setpriv, prlimit] = ["unshare", "setpriv", "prlimit"].map(toolPath);
  if (!setpriv || !prlimit) return { missing: "`setpriv` and `prlimit` of util-linux" };
  const root = process.getuid?.() === 0;
  const drop = root
    ? ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    : [];
  const inner = [
    setpriv,
    ...drop,
    "--no-new-privs",
    "--pdeathsig=KILL",
    prlimit,
    "--core=0",
    "--nofile=64",
    "--fsize=0",
    process.execPath,
    ...node,
  ];
  if (fence === "privileges") return { file: setpriv, args: inner.slice(1) };
  if (!unshare) return { missing: "`unshare` of util-linux" };
  return { file: unshare, args: [...(root ? [] : ["--user"]), "--net", "--ipc", "--uts", ...inner] };
}
