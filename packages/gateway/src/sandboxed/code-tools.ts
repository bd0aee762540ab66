import { type CodeConfig, definitionDigest, type Manifest, type ToolManifest } from "../config/index.ts";
import { OWN_SERVER } from "../config/names.ts";
import type { ToolDefinition } from "../upstream/upstream.ts";

/** The longest script, in characters. */
export const MAX_SCRIPT = 65_536;

const ERROR = {
  type: "object",
  properties: { code: { type: "string" }, message: { type: "string" }, stack: { type: "string" } },
  required: ["code", "message"],
};

/** The tools of `code`, as agents see them. */
export const CODE_TOOLS: readonly ToolDefinition[] = [
  {
    name: "run_code",
    title: "Run a script",
    description: [
      "Runs a script that calls tools, in a sandbox. Use it for work that takes several calls, loops or filtering, so that what is only needed on the way does not have to be read.",
      "`code` is the body of an async function, in JavaScript or TypeScript. `await tools.<server>.<tool>({...})` calls a tool and gives its structured content, or else its text. `return` a JSON value: it is all that you get, with what `console.log` wrote.",
      `Find tools with \`${OWN_SERVER}__search_tools\`, and their types with \`${OWN_SERVER}__describe_tool\`. Every call is checked as if you made it yourself; one that is refused throws a \`ToolError\` with \`code\`, \`message\` and \`data\`.`,
      "There is no network, no file system and no import. URL, TextEncoder, crypto, timers, `progress(done, total, message)` and `scratch` files in memory are there.",
    ].join("\n"),
    inputSchema: {
      type: "object",
      properties: {
        code: { type: "string", minLength: 1, maxLength: MAX_SCRIPT, description: "The script." },
        input: { description: "A JSON value that the script reads as `input`." },
        budgets: {
          type: "object",
          description: "Lower ceilings than the operator's: milliseconds, and numbers of calls.",
          properties: {
            cpu: { type: "integer", minimum: 10 },
            wall: { type: "integer", minimum: 10 },
            calls: { type: "integer", minimum: 0 },
            writes: { type: "integer", minimum: 0 },
            destructive: { type: "integer", minimum: 0 },
            cost: { type: "integer", minimum: 0 },
          },
          additionalProperties: false,
        },
        seed: { type: "integer", minimum: 0, maximum: 4294967295, description: "Makes `Math.random` repeatable." },
        now: {
          type: "integer",
          minimum: 0,
          description:
            "Where the clock stands, in Unix milliseconds. It stands still in any case; without this, at the start of the run.",
        },
        dryRun: { type: "boolean", description: "Shows which calls the script would make, and makes none." },
        stubs: {
          type: "object",
          description: "For a dry run: what tools answer, by name (`server__tool`). Others answer by their schema.",
        },
        resume: {
          type: "string",
          description:
            "Takes a run up again that was held: the id it gave. Send the same `code` and `input`; what its calls gave is not asked for again.",
        },
      },
      required: ["code"],
      additionalProperties: false,
    },
    outputSchema: {
      type: "object",
      properties: {
        value: { description: "What the script returned." },
        error: ERROR,
        logs: { type: "array", items: { type: "string" } },
        calls: {
          type: "array",
          description: "The calls of a dry run, in order.",
          items: {
            type: "object",
            properties: {
              tool: { type: "string" },
              args: {},
              verdict: { enum: ["allow", "deny", "hold"] },
              rules: { type: "array", items: { type: "string" } },
              reason: { type: "string" },
            },
            required: ["tool", "verdict"],
          },
        },
        resume: { type: "string", description: "Of a run that was held: send it back once a person has answered." },
        usage: { type: "object" },
      },
      required: ["logs", "usage"],
    },
    annotations: { readOnlyHint: false, openWorldHint: true },
  },
  {
    name: "search_tools",
    title: "Search tools",
    description: "Finds the tools that a script may call, best match first, without listing them all.",
    inputSchema: {
      type: "object",
      properties: {
        query: { type: "string", minLength: 1, maxLength: 500, description: "Words of what the tool should do." },
        limit: { type: "integer", minimum: 1, maximum: 50, default: 10 },
      },
      required: ["query"],
      additionalProperties: false,
    },
    outputSchema: {
      type: "object",
      properties: {
        tools: {
          type: "array",
          items: {
            type: "object",
            properties: { tool: { type: "string" }, description: { type: "string" } },
            required: ["tool"],
          },
        },
        total: { type: "integer", description: "How many tools there are in all." },
      },
      required: ["tools", "total"],
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  {
    name: "describe_tool",
    title: "Describe tools",
    description: "Gives the TypeScript declarations of tools that a script may call.",
    inputSchema: {
      type: "object",
      properties: {
        tools: {
          type: "array",
          minItems: 1,
          maxItems: 50,
          items: { type: "string" },
          description: "Names, as `search_tools` gives them.",
        },
      },
      required: ["tools"],
      additionalProperties: false,
    },
    outputSchema: {
      type: "object",
      properties: {
        declarations: { type: "string" },
        unknown: { type: "array", items: { type: "string" } },
      },
      required: ["declarations", "unknown"],
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
];

/** What these tools need and do, in the form of any server's manifest. What a script calls is governed call by call. */
export function codeManifest({ scopes }: CodeConfig): Manifest {
  const tools = CODE_TOOLS.map((definition): [string, ToolManifest] => [
    definition.name,
    {
      name: definition.name,
      scopes,
      effects: ["read"],
      labels: [],
      limits: { cost: 1 },
      digest: definitionDigest(definition),
      result: { untrusted: "all" },
      arguments: {},
    },
  ]);
  return { file: "", server: OWN_SERVER, tools: Object.fromEntries(tools), callbacks: [], logging: true };
}
