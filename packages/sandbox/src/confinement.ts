import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What holds a process, read by the broker from /proc: the kernel's word, not the process's own. */
export interface Confinement {
  readonly uid: number;
  readonly noNewPrivs: boolean;
  readonly seccomp: boolean;
  readonly capabilities: boolean;
  /** Kinds of namespace that it does not share with the broker. */
  readonly namespaces: readonly string[];
  /** Whether its file tree is another than the broker's. */
  readonly ownRoot: boolean;
}

const KINDS = ["user", "pid", "net", "ipc", "uts", "mnt", "cgroup"];

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The one child of a process; -1 where /proc does not tell. */
export function childOf(pid: number): number {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
    if (child) return Number(child);
  } catch {
    // A kernel without that file: every process is asked for its parent.
  }
  for (const name of readdirSync("/proc")) if (/^\d+$/.test(name) && parentOf(name) === pid) return Number(name);
  return -1;
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return -1;
  }
}

/** Undefined where /proc does not tell. */
export function confinementOf(pid: number): Confinement | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "";
    const namespaces = KINDS.filter((kind) => {
      const its = linkOf(`/proc/${pid}/ns/${kind}`);
      return its !== "" && its !== linkOf(`/proc/self/ns/${kind}`);
    });
    return {
      uid: Number(field("Uid")),
      noNewPrivs: field("NoNewPrivs") === "1",
      seccomp: field("Seccomp") === "2",
      capabilities: /[1-9a-f]/.test(field("CapEff")),
      namespaces,
      ownRoot: namespaces.includes("mnt"),
    };
  } catch {
    return undefined;
  }
}
