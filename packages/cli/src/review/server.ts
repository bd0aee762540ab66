import { IDENTITY } from "@callgate/gateway";
import { McpServer } from "@modelcontextprotocol/server";
import type { Desk } from "./desk.ts";
import { registerIncidentTools } from "./incidents.ts";
import { registerOverviewTools } from "./overview.ts";
import { registerRecordTools } from "./records.ts";
import { registerSessionTools } from "./sessions.ts";

/**
 * An MCP server for whoever reviews a ledger. Every tool looks and changes nothing, and its answers have an end. What agents and tools
 * wrote stands in members called `untrusted` and nowhere else.
 */
export function reviewServer(desk: Desk): McpServer {
  const server = new McpServer({ name: "callgate-ledger", version: IDENTITY.version }, { capabilities: { tools: {} } });
  registerRecordTools(server, desk);
  registerSessionTools(server, desk);
  registerOverviewTools(server, desk);
  registerIncidentTools(server, desk);
  return server;
}
