import { readFile } from "node:fs/promises";
import { CallgateError, isObject, messageOf } from "@callgate/core";
import pino, { type Logger } from "pino";
import {
  type ConnectedServer,
  childEnv,
  type Offer,
  revealAll,
  type SandboxConfig,
  type Secret,
  type ServerConfig,
} from "../config/index.ts";
import { IDENTITY } from "../identity.ts";
import { describeModule } from "../sandboxed/describe.ts";
import { type Negotiated, shakeHands } from "../upstream/handshake.ts";
import { openHttpWire } from "../upstream/http.ts";
import { Link, type LinkOwner } from "../upstream/link.ts";
import { type Era, MODERN_VERSION, WIRE_CODES } from "../upstream/message.ts";
import { listAll } from "../upstream/pages.ts";
import { Peer, RefusedRequest, UpstreamFailure } from "../upstream/peer.ts";
import { openStdioWire } from "../upstream/stdio.ts";
import { isDefinition } from "../upstream/upstream.ts";
import { printable } from "./printable.ts";

/** What a server offers, as one look at it showed. */
export interface Survey extends Offer {
  readonly logging: boolean;
  readonly version: string;
}

export interface SurveyOptions {
  /** Milliseconds for all of it: starting, shaking hands, listing. */
  readonly timeout: number;
  /** Texts that MUST NOT be in an error. */
  readonly secrets: readonly Secret[];
  /** Layers that the sandbox must have to run the code of a module. */
  readonly require: SandboxConfig["require"];
}

const PROBE_MS = 5_000;
const MAX_STDERR = 5;

const refuse = (): Promise<never> =>
  Promise.reject(
    new RefusedRequest({ code: WIRE_CODES.methodNotFound, message: "this connection has no client to ask" }),
  );
const NOBODY: LinkOwner = { name: "survey", capabilities: {}, onRequest: refuse, onNotification() {} };

/**
 * Connects to a server, lists its tools and lets it go. When it settles, a process that it started is gone. Rejects with
 * `SERVER_UNREACHABLE`, with what the process last wrote to stderr. An `Upstream` would keep trying in the background, which
 * is not what a person at a prompt waits for.
 */
export async function survey(server: ServerConfig, options: SurveyOptions): Promise<Survey> {
  const stderr: string[] = [];
  const log = stderrLog(stderr);
  const peers: Peer[] = [];
  let late = false;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late = true;
      reject(new Error(`it did not answer within ${options.timeout / 1000} s`));
    }, options.timeout);
  });
  const looking = look(server, options, peers, log, () => late);
  const closeAll = (): Promise<unknown> => Promise.all(peers.splice(0).map((peer) => peer.close()));
  try {
    return await Promise.race([looking, deadline]);
  } catch (error) {
    const said = stderr.length > 0 ? `; it wrote: ${stderr.join(" | ")}` : "";
    throw new CallgateError(
      "SERVER_UNREACHABLE",
      printable(hide(`cannot list the tools of \`${server.name}\`: ${messageOf(error)}${said}`, options.secrets)),
      {
        help:
          server.transport === "module"
            ? `run \`callgate tool register <source> --server ${server.name}\``
            : server.transport === "stdio"
              ? `check that this starts: \`${printable(hide([server.command, ...server.args].join(" "), options.secrets))}\``
              : "check the address and the headers",
        cause: error,
      },
    );
  } finally {
    clearTimeout(timer);
    late = true;
    await closeAll();
    // A process that was being started when the time ran out is known only now.
    await looking.catch(() => {});
    await closeAll();
  }
}

async function look(
  server: ServerConfig,
  { timeout, require }: SurveyOptions,
  peers: Peer[],
  log: Logger,
  late: () => boolean,
): Promise<Survey> {
  if (server.transport === "module") {
    const tools = await describeModule(await readFile(server.file, "utf8"), { wall: timeout, require });
    return { tools, resources: false, prompts: false, logging: true, version: MODERN_VERSION };
  }
  const link = await connect(server, timeout, peers, log, late);
  const { capabilities, version } = link.negotiated;
  return {
    tools: isObject(capabilities["tools"])
      ? (await listAll(link, "tools/list", "tools", timeout)).filter(isDefinition)
      : [],
    resources: isObject(capabilities["resources"]),
    prompts: isObject(capabilities["prompts"]),
    logging: isObject(capabilities["logging"]),
    version,
  };
}

async function connect(
  server: ConnectedServer,
  timeout: number,
  peers: Peer[],
  log: Logger,
  late: () => boolean,
): Promise<Link> {
  const open = async (prefer: Era, only: boolean): Promise<Link> => {
    // Nothing is started for a caller that has gone.
    if (late()) throw new Error("too late");
    const peer = new Peer({ onRequest: refuse, onNotification() {}, onClose() {} });
    if (server.transport === "http")
      peer.attach(openHttpWire({ url: new URL(server.url), headers: revealAll(server.headers) }, peer.wireEvents()));
    else {
      const { command, args, cwd } = server;
      peer.attach(await openStdioWire({ command, args, cwd, env: childEnv(server) }, peer.wireEvents(), log));
    }
    peers.push(peer);
    if (late()) throw new Error("too late");
    const probeTimeout = server.transport === "stdio" ? Math.min(PROBE_MS, timeout) : timeout;
    const negotiated: Negotiated = await shakeHands(peer, {
      identity: IDENTITY,
      capabilities: {},
      prefer,
      only,
      timeout,
      probeTimeout,
    });
    return new Link(peer, negotiated, NOBODY, IDENTITY, true);
  };
  if (server.era !== "auto") return await open(server.era, true);
  try {
    return await open("modern", false);
  } catch (error) {
    // Some servers of the older era exit on a request before `initialize`: a second process gets the plain handshake.
    if (server.transport !== "stdio" || !(error instanceof UpstreamFailure)) throw error;
    return await open("legacy", true);
  }
}

/** A log that keeps the last lines that the process wrote to stderr. */
function stderrLog(lines: string[]): Logger {
  return pino(
    { level: "debug", base: null },
    {
      write(text: string) {
        const entry = JSON.parse(text) as { stderr?: unknown };
        if (typeof entry.stderr !== "string") return;
        const line = entry.stderr.trim().slice(0, 300);
        // A server that is started twice fails twice in the same words.
        if (!lines.includes(line)) lines.push(line);
        if (lines.length > MAX_STDERR) lines.shift();
      },
    },
  );
}

function hide(text: string, secrets: readonly Secret[]): string {
  return secrets.reduce(
    (clean, secret) => (secret.reveal().length < 4 ? clean : clean.replaceAll(secret.reveal(), "[secret]")),
    text,
  );
}
