/**
 * The first module of every bundle, which makes an author's module into the two functions that the broker calls. JavaScript
 * text, not a function: its bytes are part of what a digest pins, so they MUST be the same however this package was built.
 *
 * `describe()` gives MCP tool definitions. `call({ tool, args })` gives the value of the handler: a JSON value, or an MCP result.
 */
export const MODULE_ENTRY = `import given from "callgate:source";

const tools = given !== null && typeof given === "object" && given.tools !== null && typeof given.tools === "object" ? given.tools : undefined;

function toolsOf() {
  if (tools === undefined || Object.keys(tools).length === 0)
    throw new TypeError("the module has no tools: write \\\`export default { tools: { name: { description, input, handler } } }\\\`");
  return tools;
}

const standardOf = (schema) =>
  schema !== null && (typeof schema === "object" || typeof schema === "function") && typeof schema["~standard"] === "object" ? schema["~standard"] : undefined;

/** A schema as JSON Schema: one that knows how to say itself is asked, anything else is taken to be one. */
function jsonSchemaOf(name, schema, io) {
  const standard = standardOf(schema);
  let json = schema;
  if (typeof standard?.jsonSchema?.[io] === "function") json = standard.jsonSchema[io]({ target: "draft-2020-12" });
  else if (typeof schema?.toJSONSchema === "function") json = schema.toJSONSchema({ io });
  else if (standard !== undefined)
    throw new TypeError("tool \\\`" + name + "\\\`: its " + io + " schema cannot say itself as JSON Schema: use zod 4.2 or newer, or write JSON Schema");
  if (json === null || typeof json !== "object" || Array.isArray(json))
    throw new TypeError("tool \\\`" + name + "\\\`: its " + io + " is no schema");
  const { "~standard": _, ...plain } = json;
  if (plain.type !== "object") throw new TypeError("tool \\\`" + name + "\\\`: its " + io + " must be an object, so that MCP can carry it");
  return plain;
}

export function describe() {
  return Object.entries(toolsOf()).map(([name, tool]) => {
    if (tool === null || typeof tool !== "object" || typeof tool.handler !== "function") throw new TypeError("tool \\\`" + name + "\\\` has no handler");
    if (typeof tool.description !== "string" || tool.description.trim() === "") throw new TypeError("tool \\\`" + name + "\\\` has no description");
    return {
      name,
      description: tool.description,
      inputSchema: tool.input === undefined ? { type: "object", properties: {}, additionalProperties: false } : jsonSchemaOf(name, tool.input, "input"),
      ...(tool.output === undefined ? {} : { outputSchema: jsonSchemaOf(name, tool.output, "output") }),
      ...(tool.annotations === undefined ? {} : { annotations: tool.annotations }),
    };
  });
}

class ArgumentError extends Error {}
Object.defineProperty(ArgumentError.prototype, "name", { value: "ArgumentError" });
class OutputError extends Error {}
Object.defineProperty(OutputError.prototype, "name", { value: "OutputError" });

async function parsed(schema, value, Wrong, what) {
  const standard = standardOf(schema);
  if (typeof standard?.validate !== "function") return value;
  const result = await standard.validate(value);
  if (!result.issues) return result.value;
  const said = result.issues.slice(0, 5).map((issue) => {
    const path = (issue.path ?? []).map((p) => (typeof p === "object" && p !== null ? p.key : p)).join(".");
    return (path === "" ? "" : "\\\`" + path + "\\\`: ") + issue.message;
  });
  throw new Wrong(what + " not as declared: " + said.join("; ") + (result.issues.length > 5 ? "; and more" : ""));
}

export async function call({ tool, args }) {
  const all = toolsOf();
  if (!Object.hasOwn(all, tool)) throw new TypeError("the module has no tool \\\`" + tool + "\\\`");
  const found = all[tool];
  const value = await found.handler(await parsed(found.input, args ?? {}, ArgumentError, "the arguments are"));
  // What has MCP's own form is an MCP result: its structured content is what the output is about.
  if (value === null || typeof value !== "object" || !Array.isArray(value.content)) return await parsed(found.output, value, OutputError, "the result is");
  if (value.isError === true || value.structuredContent === undefined) return value;
  return { ...value, structuredContent: await parsed(found.output, value.structuredContent, OutputError, "the result is") };
}
`;
