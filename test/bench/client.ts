import { isObject } from "@callgate/core";
import { Connection, type HttpAnswer, headerOf } from "./connection.ts";
import { type Era, headerLines, INITIALIZE, INITIALIZED, messageIn, requestBody } from "./wire.ts";

/** Where calls go. */
export interface Target {
  readonly url: string;
  readonly era: Era;
  /** The tool's name there. */
  readonly tool: string;
  readonly token?: string;
}

/** One agent: a connection, and in 2025-11-25 a session. */
export class Client {
  readonly connection: Connection;
  /** The fixed part of a `tools/call`. */
  readonly callHead: string;
  readonly #target: Target;
  readonly #session: string | undefined;

  private constructor(connection: Connection, target: Target, session: string | undefined) {
    this.connection = connection;
    this.#target = target;
    this.#session = session;
    this.callHead = connection.head("POST", this.#headers("tools/call", target.tool));
  }

  /** Connects, and initializes a session where the era has one. */
  static async open(target: Target): Promise<Client> {
    const connection = new Connection(new URL(target.url));
    if (target.era === "modern") return new Client(connection, target, undefined);
    const token = target.token === undefined ? {} : { token: target.token };
    const answer = await post(connection, headerLines("legacy", "initialize", token), INITIALIZE);
    const session = headerOf(answer, "mcp-session-id");
    if (answer.status !== 200) throw new Error(`initialize was answered with ${answer.status}: ${answer.body}`);
    if (session === undefined) throw new Error("initialize opened no session");
    const client = new Client(connection, target, session);
    const noted = await post(connection, client.#headers("notifications/initialized"), INITIALIZED);
    if (noted.status !== 202) throw new Error(`the initialized notification was answered with ${noted.status}`);
    return client;
  }

  /** Sends any request; resolves with the status and the JSON-RPC answer. Not for timed calls. */
  async request(id: number, method: string, params: Record<string, unknown>) {
    const name = typeof params.name === "string" ? params.name : undefined;
    const body = requestBody(this.#target.era, id, method, params);
    const answer = await post(this.connection, this.#headers(method, name), body);
    const message = messageIn(answer.body, id);
    return { status: answer.status, message: isObject(message) ? message : {} };
  }

  /** Ends the session, so that the next round's server does not carry it, and the connection. */
  async close(): Promise<void> {
    if (this.#session !== undefined) {
      const head = this.connection.head("DELETE", this.#headers("DELETE"));
      await new Promise<void>((resolve) => this.connection.send(head, "", () => resolve()));
    }
    this.connection.close();
  }

  #headers(method: string, name?: string): readonly string[] {
    return headerLines(this.#target.era, method, {
      ...(name === undefined ? {} : { name }),
      ...(this.#target.token === undefined ? {} : { token: this.#target.token }),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
  }
}

function post(connection: Connection, headers: readonly string[], body: string): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    connection.send(connection.head("POST", headers), body, (answer) => {
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    });
  });
}
