import { CallgateError, isObject, messageOf, parseJson, stringifyJson } from "@callgate/core";
import { type Config, type OpenedModule, openModule, printable, type Tried } from "@callgate/gateway";
import { Command } from "commander";
import { configOf } from "../configuration.ts";
import { secondsOf } from "../duration.ts";
import { EXIT, table } from "../output.ts";
import { serverOf } from "./register.ts";

interface Options {
  readonly call?: string;
  readonly args: string;
  readonly live?: boolean;
  readonly allowHost: readonly string[];
  readonly budget: readonly string[];
  readonly config?: string;
  readonly server?: string;
  readonly timeout: string;
  readonly json?: boolean;
}

const several = (text: string, before: readonly string[]): string[] => [...before, text];

/** `callgate tool test`: runs a module's cases, or one call, in the sandbox. */
export function toolTestCommand(): Command {
  return new Command("test")
    .description("run the cases in tests.yaml beside a module in the sandbox, or one call of it")
    .argument("<entry>", "the module's file, or its folder")
    .option("--call <tool>", "call one tool and print what comes of it, in place of the cases")
    .option("--args <json>", "its arguments", "{}")
    .option("--live", "with --call: make the fetches, to hosts that the module may ask")
    .option("--allow-host <host>", "a host that it may ask, beside those that it names; can be repeated", several, [])
    .option("--budget <name=value>", "a budget, as a manifest writes it: cpu=500ms, heap=32MiB, calls=10", several, [])
    .option("--server <name>", "take hosts, calls and budgets from the manifest of this server")
    .option("-c, --config <file>", "the configuration, with --server", "callgate.yaml")
    .option("--timeout <time>", "how long the module may take to say what its tools are", "10s")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nEnds with 1 if a case or the call fails, and with 2 if the module or its tests cannot be read.",
    )
    .action(async (entry: string, options: Options) => {
      const config = options.server === undefined ? undefined : await configOf({ config: options.config ?? "" });
      const module = await openModule(entry, {
        reach: reachOf(config, options.server),
        hosts: options.allowHost,
        budgets: budgetsOf(options.budget),
        require: config?.sandbox.require ?? ["isolate", "process"],
        wall: secondsOf(options.timeout) * 1000,
      });
      try {
        if (options.call !== undefined) await one(module, options.call, options);
        else await all(module, options);
      } finally {
        await module.close();
      }
    });
}

async function one(module: OpenedModule, tool: string, options: Options): Promise<void> {
  const tried = await module.call({ tool, args: argsOf(options.args) }, options.live === true);
  if (!tried.ok) process.exitCode = EXIT.failed;
  if (options.json) return console.log(stringifyJson(tried));
  if (tried.ok) console.log(stringifyJson(tried.value, 2));
  else console.error(printable(`${tried.error?.code}: ${tried.error?.message}`));
  for (const line of tried.logs) console.error(`log: ${printable(line)}`);
  if (tried.usage) console.error(usageLine(tried.usage));
}

async function all(module: OpenedModule, options: Options): Promise<void> {
  const results = [];
  for (const test of module.tests) results.push({ test, ...(await module.test(test)) });
  const failed = results.filter((r) => r.differences.length > 0);
  if (failed.length > 0 || results.length === 0) process.exitCode = EXIT.failed;
  if (options.json) {
    const { bundle, definitions } = module;
    const tests = results.map(({ test, tried, differences }) => {
      return { name: test.name, tool: test.tool, passed: differences.length === 0, differences, ...tried };
    });
    return console.log(
      stringifyJson({ digest: bundle.digest, tools: definitions, passed: failed.length === 0, tests }),
    );
  }
  console.log(
    table(
      ["", "case", "tool", "cpu", "time", "calls"],
      results.map(({ test, tried, differences }) => [
        differences.length === 0 ? "ok" : "FAIL",
        printable(test.name),
        printable(test.tool),
        tried.usage ? `${Math.round(tried.usage.cpuMs)} ms` : "-",
        tried.usage ? `${Math.round(tried.usage.wallMs)} ms` : "-",
        String(tried.usage?.calls ?? 0),
      ]),
      [undefined, 60],
    ),
  );
  for (const { test, tried, differences } of failed) {
    console.log(`\n${printable(test.name)}:`);
    for (const line of differences) console.log(`  ${printable(line)}`);
    for (const line of tried.logs.slice(-10)) console.log(`  log: ${printable(line)}`);
    for (const line of tried.error?.stack?.split("\n").slice(1, 4) ?? []) console.log(`  ${printable(line.trim())}`);
  }
  const untested = module.definitions.filter((d) => !module.tests.some((t) => t.tool === d.name)).map((d) => d.name);
  console.log(
    results.length === 0
      ? `there are no cases: write them in ${module.casesFile ?? "a tests.yaml beside the module"}`
      : `\n${results.length - failed.length} of ${results.length} passed`,
  );
  if (untested.length > 0 && results.length > 0) console.log(`no case calls ${untested.map(printable).join(", ")}`);
}

function reachOf(config: Config | undefined, name: string | undefined): Parameters<typeof openModule>[1]["reach"] {
  if (config === undefined || name === undefined) return undefined;
  const server = serverOf(config, name);
  if (server.transport === "module") return server.module;
  throw new CallgateError("BAD_ARGUMENT", `\`${name}\` is no module`, { help: "name a server that has `module`" });
}

function argsOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new CallgateError("BAD_ARGUMENT", `\`--args\` is not JSON: ${messageOf(error)}`, {
      help: `write an object, as in --args '{"numbers": [1, 2]}'`,
    });
  }
  if (isObject(value)) return value as Record<string, unknown>;
  throw new CallgateError("BAD_ARGUMENT", "`--args` is no JSON object", { help: `as in --args '{"numbers": [1, 2]}'` });
}

function budgetsOf(given: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    given.map((text) => {
      const cut = text.indexOf("=");
      const value = text.slice(cut + 1);
      if (cut < 1 || value === "")
        throw new CallgateError("BAD_ARGUMENT", `\`${text}\` is no budget`, {
          help: "write it as in `--budget cpu=500ms`",
        });
      return [text.slice(0, cut), /^\d+$/.test(value) ? Number(value) : value];
    }),
  );
}

function usageLine({ cpuMs, wallMs, peakRssMb, calls, bytesIn, bytesOut }: NonNullable<Tried["usage"]>): string {
  const memory = peakRssMb > 0 ? `, ${peakRssMb} MB` : "";
  return `used ${Math.round(cpuMs)} ms of processor time in ${Math.round(wallMs)} ms${memory}, ${calls} calls, ${bytesIn} bytes in, ${bytesOut} bytes out`;
}
