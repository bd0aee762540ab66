import { fileURLToPath } from "node:url";
import { audienceOf, type Config, issueToken, loadConfig, openSigningKey } from "@callgate/gateway";
import { type Running, type StartOptions, startNode } from "./process.ts";

/** The command line's program, as it is published: `test/support/build.ts` makes it before the tests. */
export const CLI = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));

/** What a token is asked for. `ttl` is in seconds. */
export interface TokenWish {
  readonly user?: string;
  readonly scopes?: readonly string[];
  readonly ttl?: number;
}

/** A broker with its HTTP face, in a process of its own. */
export interface Broker {
  readonly process: Running;
  readonly url: string;
  readonly data: string;
  readonly config: string;
  token(agent: string, wish?: TokenWish): Promise<string>;
  stop(): Promise<number | NodeJS.Signals>;
}

/** Starts `callgate serve` and waits until it listens. */
export async function startBroker(config: string, options: StartOptions = {}): Promise<Broker> {
  const loaded = await load(config);
  const process = startNode([CLI, "serve", "--config", config], options);
  try {
    const url = /https?:\/\/\S+/.exec(await process.line(/callgate listens on http/))?.[0] as string;
    return {
      process,
      url,
      data: loaded.data,
      config,
      token: (agent, wish = {}) => tokenFor(config, agent, wish),
      stop: () => process.stop(),
    };
  } catch (error) {
    await process.stop();
    throw error;
  }
}

/** Runs a `callgate` command to its end. */
export async function callgate(
  ...args: string[]
): Promise<{ code: number | NodeJS.Signals; lines: readonly string[] }> {
  const process = startNode([CLI, ...args]);
  return { code: await process.ended, lines: process.lines };
}

/** A token as `callgate token issue` gives it, without a process for each. */
export async function tokenFor(file: string, agent: string, wish: TokenWish = {}): Promise<string> {
  const config = await load(file);
  const known = config.agents[agent];
  if (!known) throw new Error(`there is no agent ${agent}`);
  return await issueToken(await openSigningKey(config.data), {
    agent: known,
    ttl: wish.ttl ?? 3600,
    audience: audienceOf(config),
    ...(wish.user !== undefined && { user: wish.user }),
    ...(wish.scopes && { scopes: wish.scopes }),
  });
}

async function load(file: string): Promise<Config> {
  const loaded = await loadConfig(file);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((d) => `${d.span?.line ?? 0}: ${d.message}`).join("\n"));
  return loaded.config;
}

/** The arguments of `node` that serve one agent over stdio. */
export function stdioBroker(config: string): string[] {
  return [CLI, "serve", "--stdio", "--config", config];
}
