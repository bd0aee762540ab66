import { CallgateError, isObject, type JsonObject, messageOf, parseJson, TOOL_NAME } from "@callgate/core";
import { openSandbox, type Sandbox } from "@callgate/sandbox";
import type { Definition, SandboxConfig } from "../config/index.ts";
import { compileSchema } from "../validate.ts";

/** What the code of a module may spend on saying what its tools are. It reaches no tool and no host. */
const BUDGETS = { cpuMs: 2_000, calls: 0, bytesOut: 1_048_576, logLines: 100 } as const;

/**
 * Asks a bundle for the definitions of its tools, in the sandbox: its code MUST NOT run anywhere else. `wall` is in
 * milliseconds. Throws `MODULE_INVALID` for a module that cannot say them, or says what cannot be served.
 */
export async function describeIn(sandbox: Sandbox, bundle: string, wall: number): Promise<readonly Definition[]> {
  const result = await sandbox.run({
    kind: "module",
    code: bundle,
    entry: "describe",
    budgets: { ...BUDGETS, wallMs: wall },
  });
  if (!result.ok) {
    const { code, message } = result.error;
    const said = message.replace(/^TypeError: /, "");
    throw invalid(code === "GUEST_ERROR" ? said : `it ended with ${code}: ${message}`);
  }
  return definitionsOf(parseJson(result.value));
}

/** The same in a sandbox of its own. Throws what `openSandbox` throws, too. */
export async function describeModule(
  bundle: string,
  { wall, require }: { readonly wall: number } & Pick<SandboxConfig, "require">,
): Promise<readonly Definition[]> {
  const sandbox = await openSandbox({ workers: 1, require });
  try {
    return await describeIn(sandbox, bundle, wall);
  } finally {
    await sandbox.close();
  }
}

function definitionsOf(value: unknown): readonly Definition[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid("it has no tools");
  return value.map((given: unknown): Definition => {
    if (!isObject(given) || typeof given["name"] !== "string") throw invalid("one of its tools has no name");
    const { name, inputSchema, outputSchema, annotations } = given;
    if (!TOOL_NAME.test(name))
      throw invalid(`\`${name}\` is not a name that model APIs take: use letters, digits, \`_\` and \`-\`, at most 64`);
    checkSchema(name, "input", inputSchema);
    if (outputSchema !== undefined) checkSchema(name, "output", outputSchema);
    if (annotations !== undefined && !isObject(annotations))
      throw invalid(`the annotations of \`${name}\` are no object`);
    return given as Definition;
  });
}

function checkSchema(tool: string, what: string, schema: unknown): void {
  try {
    if (!isObject(schema)) throw new Error("it is no object");
    compileSchema(schema as JsonObject, what);
  } catch (error) {
    throw invalid(`the ${what} of \`${tool}\` is no JSON Schema: ${messageOf(error)}`);
  }
}

function invalid(message: string): CallgateError {
  return new CallgateError("MODULE_INVALID", `the module cannot be used: ${message}`, {
    help: "mend its source, and look at it with `callgate tool test`",
  });
}
