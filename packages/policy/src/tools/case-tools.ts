import {
  type ArgumentRole,
  digestOfJson,
  EFFECTS,
  isObject,
  type JsonObject,
  LABELS,
  type Label,
  type Operation,
  ROLES,
  type ToolEffect,
  type ToolFacts,
} from "@callgate/core";
import { isMap, type Node } from "yaml";
import { draftFlow } from "../flow/draft.ts";
import type { ResultFlow } from "../flow/result-flow.ts";
import type { SourceFile } from "../source.ts";
import { closest, didYouMean } from "../suggest.ts";

/** A tool that cases call, and which parts of its results carry its labels. */
export interface CaseTool extends ToolFacts {
  readonly result?: ResultFlow;
}

/** What only a server can say of a tool, so that a file of cases may say it of a manifest's tool too. */
const DEFINITION = ["description", "inputSchema", "outputSchema"];
/** What a manifest says. */
const DECLARED = ["scopes", "effects", "labels", "arguments", "result"];

/**
 * Reads the `tools` of a file of cases: those that no manifest has, with what is not given drafted by `draftFlow` as `callgate
 * register` would, and definitions for those that one has. The known tools come with them; a manifest's word MUST NOT be changed.
 */
export function readTools(
  file: SourceFile,
  node: Node | null | undefined,
  known: readonly CaseTool[],
): readonly CaseTool[] {
  if (!isMap(node)) {
    file.report(
      "`tools` must be a mapping",
      node,
      "write the tools by their names, as in `mail__send: { description: … }`",
    );
    return known;
  }
  const tools = new Map(known.map((tool) => [tool.qualified, tool]));
  for (const { key, value } of node.items) {
    const name = file.text(key as Node, "a tool's name");
    if (name === undefined) continue;
    const tool = readTool(file, value as Node | null, name, tools.get(name));
    if (tool) tools.set(name, tool);
  }
  return [...tools.values()];
}

function readTool(
  file: SourceFile,
  node: Node | null,
  qualified: string,
  declared: CaseTool | undefined,
): CaseTool | undefined {
  const fields =
    node === null ? new Map() : file.fields(node, [...DEFINITION, ...DECLARED], `the tool \`${qualified}\``);
  if (!fields) return undefined;
  const valueOf = (name: string): Node | null | undefined => fields.get(name)?.value;
  if (declared)
    for (const name of DECLARED)
      if (fields.has(name))
        file.report(
          `\`${qualified}\` has a manifest, which says its \`${name}\``,
          fields.get(name)?.key,
          "leave it out here",
        );
  const description = fields.has("description") ? file.text(valueOf("description"), "`description`") : undefined;
  const inputSchema = schemaOf(file, valueOf("inputSchema"), "inputSchema");
  const outputSchema = schemaOf(file, valueOf("outputSchema"), "outputSchema");
  const effects = wordsOf<ToolEffect>(file, valueOf("effects"), "effects", EFFECTS) ?? declared?.effects;
  const { server, name, operation } = namesOf(qualified);
  const draft = draftFlow(
    { name, ...(description !== undefined && { description }), ...(inputSchema && { inputSchema }) },
    effects,
  );
  const schemas = { ...(inputSchema && { inputSchema }), ...(outputSchema && { outputSchema }) };
  const roles = rolesOf(file, valueOf("arguments"));
  if (declared) return { ...declared, ...schemas, arguments: declared.arguments ?? draft.arguments };
  return {
    server,
    name,
    qualified,
    operation,
    scopes: fields.has("scopes") ? (file.texts(valueOf("scopes"), "`scopes`") ?? []) : [],
    effects: effects ?? draft.effects,
    labels: wordsOf<Label>(file, valueOf("labels"), "labels", LABELS) ?? draft.labels,
    digest: digestOfJson([qualified, description ?? null, inputSchema ?? null, outputSchema ?? null]),
    ...schemas,
    arguments: roles ?? draft.arguments,
    result: resultOf(file, valueOf("result")) ?? draft.result,
  };
}

const OPERATION = /^(.+)\/(resources\/read|resources\/subscribe|prompts\/get|completion\/complete|sandbox\/fetch)$/;

function namesOf(qualified: string): Pick<ToolFacts, "server" | "name" | "operation"> {
  const [, of, operation] = OPERATION.exec(qualified) ?? [];
  if (of !== undefined && operation !== undefined)
    return { server: of, name: operation, operation: operation as Operation };
  const at = qualified.indexOf("__");
  // Where there is one server, tools may stand by their bare names.
  if (at <= 0) return { server: "test", name: qualified, operation: "tools/call" };
  return { server: qualified.slice(0, at), name: qualified.slice(at + 2), operation: "tools/call" };
}

function schemaOf(file: SourceFile, node: Node | null | undefined, name: string): JsonObject | undefined {
  if (node === undefined) return undefined;
  const value = file.plain(node);
  if (isObject(value)) return value as JsonObject;
  return file.report(`\`${name}\` must be a JSON Schema`, node, "write for example `{ type: object, properties: {} }`");
}

/** A list of words that are all known; undefined if it is not given. */
export function wordsOf<T extends string>(
  file: SourceFile,
  node: Node | null | undefined,
  what: string,
  known: readonly T[],
): readonly T[] | undefined {
  if (node === undefined) return undefined;
  for (const item of file.items(node, `\`${what}\``) ?? []) {
    const word = file.text(item, `each of \`${what}\``);
    if (word !== undefined && !(known as readonly string[]).includes(word))
      file.report(`\`${word}\` is none of the ${what}`, item, didYouMean(word, known, `${what} are`));
  }
  return (file.plain(node) ?? []) as readonly T[];
}

function rolesOf(file: SourceFile, node: Node | null | undefined): Readonly<Record<string, ArgumentRole>> | undefined {
  if (node === undefined) return undefined;
  if (!isMap(node)) return file.report("`arguments` must be a mapping", node, "write `{ to: destination }`");
  for (const { value } of node.items) {
    const role = file.text(value as Node | null, "a role");
    if (role !== undefined && !(ROLES as readonly string[]).includes(role))
      file.report(`\`${role}\` is no role of arguments`, value as Node, didYouMean(role, ROLES, "roles are"));
  }
  return file.plain(node) as Readonly<Record<string, ArgumentRole>>;
}

function resultOf(file: SourceFile, node: Node | null | undefined): ResultFlow | undefined {
  if (node === undefined) return undefined;
  const fields = file.fields(node, ["untrusted", "text", "fields"], "`result`");
  if (!fields) return undefined;
  const untrusted = fields.has("untrusted") ? file.text(fields.get("untrusted")?.value, "`untrusted`") : "all";
  if (untrusted !== undefined && untrusted !== "all" && untrusted !== "prose")
    return file.report("`untrusted` must be `all` or `prose`", fields.get("untrusted")?.value);
  const text = fields.has("text") ? file.text(fields.get("text")?.value, "`text`") : undefined;
  if (text !== undefined && text !== "prose" && text !== "record")
    return file.report("`text` must be `prose` or `record`", fields.get("text")?.value);
  const inner = fields.get("fields")?.value;
  if (fields.has("fields") && !isMap(inner)) return file.report("`fields` must be a mapping", inner);
  if (isMap(inner)) for (const { value } of inner.items) wordsOf(file, value as Node, "labels", LABELS);
  const labels = file.plain(inner) as ResultFlow["fields"];
  return { untrusted: untrusted ?? "all", ...(text && { text }), ...(labels && { fields: labels }) };
}

/** The tool that a case or a step of a history names. */
export function toolOf<T extends ToolFacts>(
  file: SourceFile,
  node: Node | null | undefined,
  tools: readonly T[],
): T | undefined {
  const qualified = file.text(node, "`tool`");
  if (qualified === undefined) return undefined;
  const tool = tools.find((t) => t.qualified === qualified);
  if (tool) return tool;
  const near = closest(
    qualified,
    tools.map((t) => t.qualified),
  );
  const help =
    near === undefined
      ? "name a tool that a manifest declares, or one of the file's own `tools`"
      : `did you mean \`${near}\`?`;
  return file.report(`\`${qualified}\` is no tool's name`, node, help);
}
