/**
 * The floor: a plain proxy on node:http that reads a request, sends it on, and sends the answer back. It checks nothing and
 * records nothing. `node proxy.ts <upstream url>`; prints `ready <url>`.
 */
import { Agent, createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";

const upstream = new URL(process.argv[2] ?? "");
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

function bodyOf(message: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  message.on("data", (chunk: Buffer) => chunks.push(chunk));
  message.on("end", () => done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
}

const server = createServer((incoming, response) => {
  bodyOf(incoming, (body) => {
    const { connection: _, host: __, ...headers } = incoming.headers;
    const forward = request(upstream, { method: incoming.method ?? "POST", headers, agent }, (answer) => {
      bodyOf(answer, (bytes) => {
        const { connection: _, "keep-alive": __, ...fields } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, fields).end(bytes);
      });
    });
    forward.on("error", (error) => response.writeHead(502).end(error.message));
    forward.end(body);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => {
  console.log(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}${upstream.pathname}`);
});
process.stdin.resume().on("end", () => process.exit(0));
