import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { parseJson, stringifyJson } from "@callgate/core";
import {
  type JSONRPCMessage,
  parseJSONRPCMessage,
  STDIO_DEFAULT_MAX_BUFFER_SIZE,
  type Transport,
} from "@modelcontextprotocol/server";

/**
 * MCP's stdio transport as the SDK has it (a message a line; a line that is no JSON is passed over; the end of the input closes), but
 * with whole numbers beyond 2^53 exact both ways: the SDK's own reads with `JSON.parse`. A line over 10 MiB closes it.
 */
export class StdioTransport implements Transport {
  onmessage?: Transport["onmessage"];
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #decoder = new StringDecoder("utf8");
  #pending = "";
  #closed = false;

  constructor(input: Readable, output: Writable) {
    this.#input = input;
    this.#output = output;
  }

  async start(): Promise<void> {
    const end = (): void => void this.close();
    this.#input.on("data", this.#read);
    this.#input.on("error", (error) => this.onerror?.(error));
    this.#input.once("end", end);
    this.#input.once("close", end);
    // Left in place for good: what is written to a reader that has gone MUST NOT end the process.
    this.#output.on("error", (error) => {
      if (this.#closed) return;
      this.onerror?.(error);
      end();
    });
  }

  /** Resolves when the message is on its way, and not before the reader keeps up. */
  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) throw new Error("the agent has closed its end");
    if (this.#output.write(`${stringifyJson(message)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ["drain", "close", "error"]) this.#output.off(event, done);
        resolve();
      };
      for (const event of ["drain", "close", "error"]) this.#output.once(event, done);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.off("data", this.#read);
    this.#input.pause();
    this.#pending = "";
    this.onclose?.();
  }

  readonly #read = (chunk: Buffer): void => {
    this.#pending += this.#decoder.write(chunk);
    let start = 0;
    for (let end = this.#pending.indexOf("\n"); end >= 0 && !this.#closed; end = this.#pending.indexOf("\n", start)) {
      this.#receive(this.#pending.slice(start, end));
      start = end + 1;
    }
    this.#pending = this.#pending.slice(start);
    if (this.#pending.length <= STDIO_DEFAULT_MAX_BUFFER_SIZE) return;
    this.onerror?.(new Error(`the agent sent a line over ${STDIO_DEFAULT_MAX_BUFFER_SIZE} bytes`));
    void this.close();
  };

  #receive(line: string): void {
    try {
      this.onmessage?.(parseJSONRPCMessage(parseJson(line)));
    } catch (error) {
      if (!(error instanceof SyntaxError)) this.onerror?.(error as Error);
    }
  }
}
