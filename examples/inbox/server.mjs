// A mail server over stdio, with the messages of the file that it is given.
import { readFileSync } from "node:fs";
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import * as z from "zod";

const INBOX = JSON.parse(readFileSync(process.argv[2], "utf8"));

const server = new McpServer({ name: "mail", version: "1.0.0" });
server.registerTool(
  "read_inbox",
  { description: "Reads the newest e-mails of the inbox", annotations: { readOnlyHint: true } },
  async () => ({ content: [{ type: "text", text: JSON.stringify(INBOX) }] }),
);
server.registerTool(
  "send_mail",
  {
    description: "Sends an e-mail",
    inputSchema: z.object({ to: z.array(z.string()), subject: z.string(), body: z.string() }),
    annotations: { destructiveHint: false },
  },
  async ({ to }) => ({ content: [{ type: "text", text: `sent to ${to.join(", ")}` }] }),
);
await server.connect(new StdioServerTransport());
