import { CallgateError } from "@callgate/core";
import { type LedgerReader, parseQuery, type Query } from "@callgate/ledger";
import type { CallToolResult, McpServer } from "@modelcontextprotocol/server";
import type * as z from "zod";
import type { Today } from "../incident/incident.ts";

/** What a review is about, and what it may see. */
export interface Desk {
  readonly reader: LedgerReader;
  /** The data folder under review. */
  readonly folder: string;
  /** Whether arguments and results may be read, and searched for words. */
  readonly payloads: boolean;
  readonly anchors: readonly string[];
  readonly witnessKeys: readonly string[];
  readonly vkey: string | undefined;
  /** Today's policies, loaded anew for every question. */
  today(): Promise<Today>;
}

/** An answer of more than this is refused, in UTF-16 units of its JSON. */
const MOST = 256 * 1024;

/** Registers a tool that looks and changes nothing. Its answers are structured; a wrong question is answered as a tool error. */
export function registerLook<Input extends z.ZodObject, Output extends z.ZodObject>(
  server: McpServer,
  name: string,
  description: string,
  schemas: { readonly input: Input; readonly output: Output },
  answer: (input: z.infer<Input>) => z.infer<Output> | Promise<z.infer<Output>>,
): void {
  server.registerTool(
    name,
    {
      description,
      inputSchema: schemas.input,
      outputSchema: schemas.output,
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    },
    // The SDK has checked the input; its types lose what the schema is.
    (async (input: z.infer<Input>): Promise<CallToolResult> => {
      try {
        const structuredContent = (await answer(input)) as Record<string, unknown>;
        const text = JSON.stringify(structuredContent);
        if (text.length > MOST)
          return refusal("the answer is too long", "ask for less: a smaller limit, a narrower query");
        return { structuredContent, content: [{ type: "text", text }] };
      } catch (error) {
        if (error instanceof CallgateError) return refusal(error.message, error.help);
        throw error;
      }
    }) as never,
  );
}

/** A query, checked. Words are in arguments and results: looking for them is reading them. Throws `BAD_ARGUMENT`. */
export function queryOf(text: string, desk: Desk): Query {
  const parsed = parseQuery(text);
  if (!parsed.ok)
    throw new CallgateError("BAD_ARGUMENT", parsed.message, parsed.help === undefined ? {} : { help: parsed.help });
  if (!desk.payloads && parsed.query.terms.some((term) => term.field === "text"))
    throw new CallgateError("BAD_ARGUMENT", "words of arguments and results may not be searched here", {
      help: "search by agent, session, call, tool, verdict, kind, status, rule, error, since or until",
    });
  return parsed.query;
}

function refusal(message: string, help: string | undefined): CallToolResult {
  return {
    isError: true,
    content: [{ type: "text", text: help === undefined ? message : `${message}\nhelp: ${help}` }],
  };
}
