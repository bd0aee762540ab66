import {
  Broker,
  type Config,
  type HttpFace,
  openHttpFace,
  openLog,
  serveStdioFace,
  watchConfig,
} from "@callgate/gateway";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";

/** A broker with its HTTP face. `close` ends both, the servers' processes included. */
export interface Running {
  readonly broker: Broker;
  readonly face: HttpFace;
  close(): Promise<void>;
}

/** Opens a broker and its HTTP face, and reloads it when its configuration changes. */
export async function openRunning(config: Config): Promise<Running> {
  const log = await openLog({
    level: config.log.level,
    pretty: process.stderr.isTTY === true,
    secrets: config.secrets,
  });
  const broker = await Broker.open(config, log);
  try {
    const face = await openHttpFace(broker, log);
    const unwatch = watchConfig(broker, log);
    return {
      broker,
      face,
      async close() {
        unwatch();
        await face.close();
        await broker.close();
      },
    };
  } catch (error) {
    await broker.close();
    throw error;
  }
}

/** Resolves when the process is asked to stop; a second Ctrl-C ends it at once. */
export function stopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
}

/** `callgate serve`: the broker, over HTTP or over this process's stdin and stdout. */
export function serveCommand(): Command {
  return withConfig(new Command("serve"))
    .description("run the broker over HTTP, or over stdin and stdout for one agent")
    .option("--stdio", "serve one agent over stdin and stdout, as the configuration's `stdio.agent`")
    .action(async (options: { config: string; data?: string; stdio?: boolean }) => {
      const config = await configOf(options);
      if (options.stdio) return serveOverStdio(config);
      const running = await openRunning(config);
      const stop = stopped();
      console.log(`callgate listens on ${running.face.url}`);
      await stop;
      await running.close();
      process.exit(0);
    });
}

async function serveOverStdio(config: Config): Promise<void> {
  // Not pretty even on a terminal: a client's log file is where this goes.
  const log = await openLog({ level: config.log.level, pretty: false, secrets: config.secrets });
  const broker = await Broker.open(config, log);
  const unwatch = watchConfig(broker, log);
  await Promise.race([serveStdioFace(broker, log), stopped()]);
  unwatch();
  await broker.close();
  process.exit(0);
}
