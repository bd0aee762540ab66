import { type Bundle, bundleModule, openSandbox, type Sandbox } from "@callgate/sandbox";
import type { Definition, ModuleManifest, SandboxConfig } from "../config/index.ts";
import { describeModule } from "../sandboxed/describe.ts";
import { readBudgets, withBudgets } from "./budgets.ts";
import { casesFileOf, readCases, type ToolCase } from "./cases.ts";
import { differences, type Tried, type TriedCall, tryTool } from "./try.ts";

/** A module that is ready to be tried: bundled, described, with the cases beside its source. */
export interface OpenedModule {
  readonly bundle: Bundle;
  readonly definitions: readonly Definition[];
  readonly reach: Omit<ModuleManifest, "digest" | "fetch">;
  /** The file of cases; undefined where there is none. */
  readonly casesFile: string | undefined;
  readonly tests: readonly ToolCase[];
  /** Calls one tool. With `live`, fetches that have no stub are made. */
  call(call: TriedCall, live: boolean): Promise<Tried>;
  /** Runs one case. */
  test(one: ToolCase): Promise<{ readonly tried: Tried; readonly differences: readonly string[] }>;
  close(): Promise<void>;
}

export interface OpenModuleOptions {
  /** What it may reach: a manifest's. Default: what its author says that it needs. */
  readonly reach?: Omit<ModuleManifest, "digest" | "fetch"> | undefined;
  /** Hosts beside those. */
  readonly hosts: readonly string[];
  /** Budgets, as a manifest writes them, in place of those. */
  readonly budgets: Readonly<Record<string, unknown>>;
  readonly require: SandboxConfig["require"];
  /** Milliseconds that it may take to describe itself. */
  readonly wall: number;
}

/** Bundles a module's source and opens a sandbox for it. Throws as `draftModule` does, and `BAD_ARGUMENT` for what is no budget. */
export async function openModule(entry: string, options: OpenModuleOptions): Promise<OpenedModule> {
  const cases = await readCases(await casesFileOf(entry));
  const bundle = await bundleModule(entry);
  const { require, wall } = options;
  const definitions = await describeModule(bundle.code, { wall, require });
  const base = options.reach ?? cases?.wishes ?? { hosts: [], calls: [], budgets: readBudgets({}) };
  const reach = {
    ...base,
    hosts: [...new Set([...base.hosts, ...options.hosts])],
    budgets: withBudgets(base.budgets, options.budgets),
  };
  const sandbox: Sandbox = await openSandbox({ workers: 1, require });
  const module = { code: bundle.code, definitions, reach };
  return {
    bundle,
    definitions,
    reach,
    casesFile: cases?.file,
    tests: cases?.tests ?? [],
    call: (call, live) => tryTool(sandbox, module, call, live),
    async test(one) {
      const tried = await tryTool(sandbox, module, one, false);
      return { tried, differences: differences(one, tried) };
    },
    close: () => sandbox.close(),
  };
}
