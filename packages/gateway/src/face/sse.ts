import type { ServerResponse } from "node:http";

const KEEP_ALIVE_MS = 15_000;

/** A response that is a stream of server-sent events, one JSON-RPC message each. */
export class EventStream {
  #res: ServerResponse;
  #beat: NodeJS.Timeout;

  constructor(res: ServerResponse, headers?: Record<string, string>) {
    this.#res = res;
    res.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      ...headers,
    });
    res.flushHeaders();
    // Proxies close streams on which nothing moves.
    this.#beat = setInterval(() => res.write(": keep-alive\n\n"), KEEP_ALIVE_MS);
    res.once("close", () => clearInterval(this.#beat));
  }

  get open(): boolean {
    return !this.#res.writableEnded && !this.#res.destroyed;
  }

  /** Sends a message given as JSON text. */
  send(text: string): void {
    if (this.open) this.#res.write(`event: message\ndata: ${text}\n\n`);
  }

  end(): void {
    clearInterval(this.#beat);
    this.#res.end();
  }
}
