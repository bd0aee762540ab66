import type { Grant } from "@callgate/core";
import { CallgateError, messageOf } from "@callgate/core";
import type { Server } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { Logger } from "pino";
import type { Broker } from "../broker.ts";
import type { Session } from "../session.ts";
import type { LinkOwner } from "../upstream/link.ts";
import { agentServer } from "./agent-server.ts";
import { changeNotice } from "./notices.ts";
import { sessionOwner } from "./owner.ts";
import { StdioTransport } from "./stdio-transport.ts";
import { watchingTransport, watchResources } from "./watch.ts";

/**
 * Serves one agent over this process's stdin and stdout. Who it is stands in the configuration: whoever starts the process is the
 * agent. Resolves when the agent closes its end.
 */
export async function serveStdioFace(broker: Broker, log: Logger): Promise<void> {
  const name = broker.config.stdio?.agent;
  const agent = name === undefined ? undefined : broker.config.agents[name];
  if (!agent)
    throw new CallgateError("NO_STDIO_AGENT", "the configuration does not say who calls over stdio", {
      help: "add `stdio: { agent: NAME }`, where NAME is one of `agents`",
    });
  const grant: Grant = { principal: { agent: agent.name, roles: agent.roles }, scopes: agent.scopes };

  let current: Server | undefined;
  let session: Session | undefined;
  const ended = new Promise<void>((resolve) => {
    process.stdin.once("end", resolve);
    process.stdin.once("close", resolve);
  });
  const owner: LinkOwner = sessionOwner(
    () => current,
    `stdio ${agent.name}`,
    broker.gate,
    () => opened(),
  );
  const opened = (): Session => {
    session ??= broker.openSession(grant, owner);
    return session;
  };
  const transport = watchingTransport(new StdioTransport(process.stdin, process.stdout), (message) =>
    watchResources(broker, message, grant, opened()),
  );
  const handle = serveStdio(
    ({ era }) => {
      const mine = opened();
      const server = agentServer(broker, era, () => ({ grant, session: mine }));
      current = server;
      return server;
    },
    { transport, onerror: (error) => log.debug({ err: messageOf(error) }, "stdio") },
  );
  const stop = broker.onListChanged((kind) => void current?.notification(changeNotice(kind)).catch(() => {}));
  await ended;
  stop();
  await handle.close();
}
