import {
  digestOfJson,
  isObject,
  type JsonObject,
  type Naming,
  qualifiedName,
  roundedJson,
  type ToolFacts,
} from "@callgate/core";
import { draftFlow } from "@callgate/policy";
import type { Definition } from "./config/definition.ts";
import type { AccessManifest, CodeConfig, Config, ServedConfig, ToolManifest } from "./config/types.ts";
import { pinnedDefinitions } from "./pins.ts";
import { CODE_TOOLS, codeManifest } from "./sandboxed/code-tools.ts";

/** What can be called beside tools, and which part of a manifest opens it. */
const OPERATIONS = [
  { kind: "resources", operation: "resources/read" },
  { kind: "resources", operation: "resources/subscribe" },
  { kind: "prompts", operation: "prompts/get" },
] as const;

/**
 * What the manifests of a configuration declare, without asking any server. Policies are typed against the definitions that were kept
 * when they were accepted, or when a broker last ran; without one, a tool's arguments are not checked.
 */
export function toolFactsOf(config: Config): ToolFacts[] {
  const declared = Object.values(config.servers).flatMap((server) => {
    const kept = pinnedDefinitions(config.data, server.name);
    const tools = Object.values(server.manifest.tools).map((tool) =>
      declaredFacts(server.name, qualifiedOf(config.naming, server.name, tool), tool, kept(tool.name, tool.digest)),
    );
    return [...tools, ...operationsOf(server)];
  });
  return config.code ? [...declared, ...codeFacts(config.code)] : declared;
}

function codeFacts(code: CodeConfig): ToolFacts[] {
  const { server, tools } = codeManifest(code);
  return CODE_TOOLS.map((definition) =>
    declaredFacts(
      server,
      qualifiedName("prefixed", server, definition.name),
      tools[definition.name] as ToolManifest,
      definition,
    ),
  );
}

function qualifiedOf(naming: Naming, server: string, tool: ToolManifest): string {
  return qualifiedName(naming, server, tool.name);
}

/** What policies see of a tool: as its manifest declares it, with the schemas of its definition where that is known. */
export function declaredFacts(
  server: string,
  qualified: string,
  tool: ToolManifest,
  definition: Definition | undefined,
): ToolFacts {
  const { name, scopes, effects, labels, digest } = tool;
  const inputSchema = schemaIn(definition, "inputSchema");
  const outputSchema = schemaIn(definition, "outputSchema");
  const roles = tool.arguments ?? (definition && guessedRoles(tool, definition, inputSchema));
  return {
    server,
    name,
    qualified,
    operation: "tools/call",
    scopes,
    effects,
    labels,
    digest,
    ...(inputSchema && { inputSchema }),
    ...(outputSchema && { outputSchema }),
    ...(roles && { arguments: roles }),
  };
}

/** JSON Schema validators and the types of rules know no numbers but doubles; what is pinned and listed keeps its digits. */
function schemaIn(definition: Definition | undefined, key: string): JsonObject | undefined {
  const schema = definition?.[key];
  return isObject(schema) ? (roundedJson(schema) as JsonObject) : undefined;
}

/** Roles for a manifest that names none: a rule over roles MUST NOT pass a tool by because nobody wrote them down. */
function guessedRoles(
  { name, effects }: ToolManifest,
  definition: Definition,
  inputSchema: JsonObject | undefined,
): NonNullable<ToolFacts["arguments"]> {
  const description = definition["description"];
  const shown = { name, ...(typeof description === "string" && { description }), ...(inputSchema && { inputSchema }) };
  return draftFlow(shown, effects).arguments;
}

/** What a server's manifest opens beside its tools. */
export function operationsOf({ name, manifest }: Pick<ServedConfig, "name" | "manifest">): ToolFacts[] {
  const plain = OPERATIONS.flatMap(({ kind, operation }) => {
    const access = manifest[kind];
    return access ? [plainFacts(name, operation, access)] : [];
  });
  const completing = manifest.prompts ?? manifest.resources;
  if (completing) plain.push(plainFacts(name, "completion/complete", completing));
  if (manifest.module && manifest.module.hosts.length > 0)
    plain.push({
      ...plainFacts(name, "sandbox/fetch", manifest.module.fetch),
      inputSchema: FETCH,
      arguments: { url: "url" },
    });
  return plain;
}

/** What a fetch is asked with: the body in base64. */
const FETCH: JsonObject = {
  type: "object",
  properties: {
    url: { type: "string" },
    method: { type: "string" },
    headers: { type: "object", additionalProperties: { type: "string" } },
    body: { type: "string" },
  },
  required: ["url", "method", "headers"],
  additionalProperties: false,
};

/** What policies see of an operation that is no tool. */
function plainFacts(server: string, operation: ToolFacts["operation"], access: AccessManifest): ToolFacts {
  const { scopes, effects, labels } = access;
  return {
    server,
    name: operation,
    qualified: `${server}/${operation}`,
    operation,
    scopes,
    effects,
    labels,
    digest: digestOfJson({ operation, scopes, effects, labels }),
  };
}
