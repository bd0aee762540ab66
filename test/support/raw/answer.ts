import { stringifyJson } from "@callgate/core";

const RAW_SCHEMA = {
  type: "object",
  properties: { id: { type: "integer", "x-mcp-header": "Id" } },
  required: ["id"],
} as const;

/** In the definition of `bounded`. A double has no such number. */
const DEFAULT = 4611686018427387905n;

/** Tools that do the same: each gives back the text of its arguments. They have names of their own for policies to tell apart. */
export const RAW_TOOLS = ["echo", "open", "rewritten", "redacted", "held", "bounded"].map((name) => ({
  name,
  description: "Gives its arguments back, as text and as content, digit by digit",
  inputSchema:
    name === "bounded"
      ? { ...RAW_SCHEMA, properties: { id: { type: "integer", maximum: 2 ** 53, minimum: 0, default: DEFAULT } } }
      : RAW_SCHEMA,
  outputSchema: { type: "object", properties: { id: { type: "integer" } } },
}));

/**
 * Answers a request as a text, as a server would that never parses numbers: arguments go back as they stood on the wire. `called` hears of
 * each. Undefined for what gets no answer. Speaks both eras.
 */
export function rawAnswer(text: string, called: (args: string) => void): string | undefined {
  const { id, method, params } = JSON.parse(text) as {
    id?: number;
    method?: string;
    params?: { protocolVersion?: string };
  };
  if (id === undefined) return undefined;
  const answer = (result: string): string => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
  const serverInfo = '{"name":"raw","version":"1"}';
  switch (method) {
    case "initialize":
      return answer(
        `{"protocolVersion":"${params?.protocolVersion}","capabilities":{"tools":{}},"serverInfo":${serverInfo}}`,
      );
    case "server/discover":
      return answer(
        `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":${serverInfo}}}`,
      );
    case "tools/list":
      return answer(stringifyJson({ resultType: "complete", tools: RAW_TOOLS }));
    case "tools/call": {
      const args = /"arguments":(\{[^{}]*\})/.exec(text)?.[1] ?? "null";
      called(args);
      return answer(
        `{"resultType":"complete","content":[{"type":"text","text":${JSON.stringify(args)}}],"structuredContent":${args}}`,
      );
    }
    default:
      return `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"Method not found"}}`;
  }
}
