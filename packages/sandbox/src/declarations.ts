import { isObject, type JsonObject } from "@callgate/core";

/** A tool as a script's author sees it. */
export interface DescribedTool {
  readonly server: string;
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
const key = (name: string): string => (IDENTIFIER.test(name) ? name : JSON.stringify(name));

/** A JSON Schema as a TypeScript type. What it cannot say is `unknown`. */
function typeOf(schema: unknown, depth = 0): string {
  if (!isObject(schema) || depth > 6) return "unknown";
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((v) => JSON.stringify(v)).join(" | ") || "never";
  const union = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(union)) return union.map((s) => typeOf(s, depth + 1)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, depth + 1)).join(" | ");
  if (schema.type === "string" || schema.type === "boolean" || schema.type === "null") return schema.type;
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.type === "array") return `Array<${typeOf(schema.items, depth + 1)}>`;
  if (schema.type !== "object" && !isObject(schema.properties)) return "unknown";
  const needed = Array.isArray(schema.required) ? schema.required : [];
  const fields = Object.entries(isObject(schema.properties) ? schema.properties : {}).map(
    ([name, inner]) => `${key(name)}${needed.includes(name) ? "" : "?"}: ${typeOf(inner, depth + 1)}`,
  );
  if (isObject(schema.additionalProperties))
    fields.push(`[key: string]: ${typeOf(schema.additionalProperties, depth + 1)}`);
  return fields.length === 0 ? "Record<string, unknown>" : `{ ${fields.join("; ")} }`;
}

/** One line of description, without what would end the comment that it stands in: descriptions are the server's text. */
function comment(text: string | undefined): string {
  const line = (text ?? "").replace(/\s+/g, " ").replaceAll("*/", "* /").trim().slice(0, 160);
  return line === "" ? "" : `    /** ${line} */\n`;
}

/** Compact TypeScript declarations of `tools`, for a model that writes a script. */
export function declarationsFor(tools: readonly DescribedTool[]): string {
  const servers = Map.groupBy(tools, (tool) => tool.server);
  const blocks = [...servers].map(([server, list]) => {
    const lines = list.map(
      (t) =>
        `${comment(t.description)}    ${key(t.name)}(args: ${typeOf(t.inputSchema)}): Promise<${typeOf(t.outputSchema)}>;`,
    );
    return `  ${key(server)}: {\n${lines.join("\n")}\n  };`;
  });
  return `declare const tools: {\n${blocks.join("\n")}\n};\n`;
}

const words = (text: string): string[] =>
  text
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .match(/[a-z0-9]+/g) ?? [];

/** The tools that fit a query best, best first. A word in the name weighs more than one in the description. */
export function searchTools<T extends DescribedTool>(tools: readonly T[], query: string, limit = 10): readonly T[] {
  const wanted = words(query).slice(0, 20);
  return tools
    .map((tool) => {
      const [name, text] = [words(`${tool.server} ${tool.name}`), words(tool.description ?? "")];
      let score = 0;
      for (const w of wanted) {
        if (name.includes(w)) score += 4;
        else if (w.length > 2 && name.some((n) => n.startsWith(w))) score += 2;
        if (text.includes(w)) score += 1;
      }
      return { tool, score };
    })
    .filter((found) => found.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((found) => found.tool);
}
