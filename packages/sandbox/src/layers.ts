import type { WorkerFacts } from "./child.ts";
import type { Fence } from "./launch.ts";

export type Layer = "isolate" | "process" | "os";

/** One layer of the sandbox, as found by starting a worker, not as hoped for. */
export interface LayerReport {
  readonly layer: Layer;
  readonly inForce: boolean;
  /** What holds, what is missing, and what to do about it. */
  readonly detail: string;
}

/** `lacks` says why each better fence could not be had. */
export function layersOf(fence: Fence, facts: WorkerFacts, lacks: readonly string[]): LayerReport[] {
  const held = facts.confinement;
  const bare = fence.startsWith("bubblewrap");
  const has: string[] = [];
  const misses: string[] = [];
  const tell = (yes: boolean, good: string, bad: string): void => void (yes ? has : misses).push(yes ? good : bad);
  if (held === undefined) misses.push("/proc, which would tell what holds");
  else {
    tell(held.namespaces.length > 0, `own namespaces (${held.namespaces.join(", ")})`, "namespaces");
    tell(held.seccomp, "a system call filter (seccomp)", "a system call filter (seccomp)");
    tell(held.ownRoot && bare, "a read-only file tree with Node and nothing else", "a file tree of its own");
    tell(!held.capabilities, "no capabilities", "dropped capabilities");
    tell(held.noNewPrivs, "no new privileges", "no new privileges");
    tell(held.uid !== 0, `uid ${held.uid}`, "an unprivileged user");
    tell(fence !== "none", "rlimits (core, nofile, fsize, data)", "rlimits");
  }
  const why = lacks.length > 0 ? `; not used: ${lacks.join("; ")}` : "";
  return [
    { layer: "isolate", inForce: true, detail: "isolated-vm, one isolate a run" },
    {
      layer: "process",
      inForce: facts.permission,
      detail: `permission model ${facts.permission ? "on" : "off"}, ${facts.environment} environment variables of the broker's, watched and killed from the broker`,
    },
    {
      layer: "os",
      // Dropped privileges without a network of its own: no layer to rely on.
      inForce: held !== undefined && held.noNewPrivs && held.namespaces.includes("net"),
      detail: `${has.join(", ") || "nothing"}${misses.length > 0 ? `; without ${misses.join(", ")}` : ""}${why}`,
    },
  ];
}
