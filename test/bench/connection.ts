import { connect, type Socket } from "node:net";

/** One HTTP answer. `body` is whole, and has its transfer coding removed. */
export interface HttpAnswer {
  readonly status: number;
  /** The status line and header fields, as they came. */
  readonly head: string;
  readonly body: string;
}

/** A header field's value, or undefined. */
export function headerOf(answer: HttpAnswer, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "im").exec(answer.head)?.[1];
}

/** The decoded body of a chunked answer that begins at `from`, or undefined while its end has not come. */
function dechunk(bytes: Buffer, from: number): { body: Buffer; end: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const line = bytes.indexOf("\r\n", at, "latin1");
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (Number.isNaN(size)) throw new Error("the answer has a broken chunk size");
    const start = line + 2;
    if (size === 0) {
      // No server under test sends trailers, so the empty line follows at once.
      return bytes.length < start + 2 ? undefined : { body: Buffer.concat(parts), end: start + 2 };
    }
    if (bytes.length < start + size + 2) return undefined;
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}

/** Takes one whole answer off the front of `bytes`, or undefined while it is not all there. */
export function parseAnswer(bytes: Buffer): { answer: HttpAnswer; rest: Buffer } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n", 0, "latin1");
  if (headEnd < 0) return undefined;
  const head = bytes.toString("latin1", 0, headEnd);
  const status = Number(head.slice(9, 12));
  const start = headEnd + 4;
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head);
  if (length) {
    const end = start + Number(length[1]);
    if (bytes.length < end) return undefined;
    return { answer: { status, head, body: bytes.toString("utf8", start, end) }, rest: bytes.subarray(end) };
  }
  if (/\r\ntransfer-encoding:[ \t]*chunked/i.test(head)) {
    const whole = dechunk(bytes, start);
    if (!whole) return undefined;
    return { answer: { status, head, body: whole.body.toString("utf8") }, rest: bytes.subarray(whole.end) };
  }
  if (status === 202 || status === 204) return { answer: { status, head, body: "" }, rest: bytes.subarray(start) };
  throw new Error(`the answer has neither a length nor chunks: ${head.split("\r\n")[0]}`);
}

/**
 * One keep-alive HTTP/1.1 connection with one request in flight, straight on a socket: a load generator must cost less
 * than what it loads. MUST NOT be given a second request before the first is answered. Any error fails the request.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #path: string;
  #waiting: ((answer: HttpAnswer | Error) => void) | undefined;
  #bytes: Buffer | undefined;
  #failed: Error | undefined;

  constructor(url: URL) {
    this.#host = url.host;
    this.#path = url.pathname;
    this.#socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    this.#socket.on("data", (chunk) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the server closed the connection")));
  }

  /** A request's fixed part: everything but the length and the body. `headers` are `name: value` lines. */
  head(method: string, headers: readonly string[]): string {
    return [`${method} ${this.#path} HTTP/1.1`, `host: ${this.#host}`, ...headers, "content-length: "].join("\r\n");
  }

  /** Sends a request. `body` is UTF-8. Calls back once, with the answer or with what went wrong. */
  send(head: string, body: string, done: (answer: HttpAnswer | Error) => void): void {
    if (this.#failed) return done(this.#failed);
    this.#waiting = done;
    this.#socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#bytes === undefined ? chunk : Buffer.concat([this.#bytes, chunk]);
    try {
      const parsed = parseAnswer(bytes);
      this.#bytes = parsed ? (parsed.rest.length > 0 ? parsed.rest : undefined) : bytes;
      if (!parsed) return;
      const done = this.#waiting;
      this.#waiting = undefined;
      if (!done) throw new Error("the server answered what was not asked");
      done(parsed.answer);
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
    }
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.(this.#failed);
  }
}
