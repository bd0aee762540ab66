import { readFileSync, readlinkSync } from "node:fs";

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
