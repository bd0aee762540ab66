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

const MOST_REMEMBERED = 20_000;
const remembered = new Map<string, readonly string[]>();

/** The words of a text without their endings, so that `shipments` finds `shipment` and `archived` finds `archive`. */
function wordsOf(text: string): readonly string[] {
  const known = remembered.get(text);
  if (known) return known;
  const words =
    text
      .slice(0, 2_000)
      .replace(/([a-z])([A-Z])/g, "$1 $2")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  const stems = words.map((word) => (word.length > 4 ? word.replace(/(?:ing|ed|es|s|e)$/, "") : word));
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  remembered.set(text, stems);
  return stems;
}

/** The tools that fit a query best, best first. A rare word weighs more than a common one, and in the name more than in the description. */
export function searchTools<T extends DescribedTool>(tools: readonly T[], query: string, limit = 10): readonly T[] {
  const wanted = [...new Set(wordsOf(query))].slice(0, 20);
  const texts = tools.map((tool) => ({
    tool,
    name: wordsOf(`${tool.server} ${tool.name}`),
    about: wordsOf(tool.description ?? ""),
  }));
  const weight = new Map(
    wanted.map((word) => {
      const having = texts.filter(({ name, about }) => name.includes(word) || about.includes(word)).length;
      return [word, Math.log(1 + tools.length / (1 + having))];
    }),
  );
  return texts
    .map(({ tool, name, about }) => {
      let score = 0;
      for (const word of wanted) {
        const by = weight.get(word) ?? 0;
        if (name.includes(word)) score += 4 * by;
        else if (word.length > 2 && name.some((one) => one.startsWith(word))) score += 2 * by;
        if (about.includes(word)) score += by;
      }
      return { tool, score };
    })
    .filter((found) => found.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((found) => found.tool);
}
