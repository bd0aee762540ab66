import type { IncomingMessage, ServerResponse } from "node:http";

/** A body as it was read, or why not: too large, or the sender went away. */
export type Body =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: "too-large" | "aborted" };

/** Reads a request's body up to a ceiling in bytes. Over it, reading stops at once. */
export function readBody(req: IncomingMessage, limit: number): Promise<Body> {
  const declared = Number(req.headers["content-length"]);
  if (declared > limit) return Promise.resolve({ ok: false, reason: "too-large" });
  return new Promise((resolve) => {
    let chunks: Buffer[] | undefined;
    let first: Buffer | undefined;
    let size = 0;
    req.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        req.pause();
        resolve({ ok: false, reason: "too-large" });
        return;
      }
      if (first === undefined) first = chunk;
      else if (chunks === undefined) chunks = [first, chunk];
      else chunks.push(chunk);
    });
    req.on("end", () =>
      resolve({ ok: true, text: chunks ? Buffer.concat(chunks).toString("utf8") : (first?.toString("utf8") ?? "") }),
    );
    req.on("error", () => resolve({ ok: false, reason: "aborted" }));
    req.on("close", () => resolve({ ok: false, reason: "aborted" }));
  });
}

/** Answers with a JSON text. */
export function sendJson(res: ServerResponse, status: number, text: string, headers?: Record<string, string>): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers });
  res.end(text);
}

/** Answers with a JSON-RPC error. */
export function sendError(
  res: ServerResponse,
  status: number,
  code: number,
  message: string,
  id: unknown = null,
  headers?: Record<string, string>,
  data?: unknown,
): void {
  const error = { code, message, ...(data !== undefined && { data }) };
  sendJson(
    res,
    status,
    JSON.stringify({ jsonrpc: "2.0", error, id: typeof id === "string" || typeof id === "number" ? id : null }),
    headers,
  );
}
