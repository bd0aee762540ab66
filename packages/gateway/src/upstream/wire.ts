import type { Message, RequestId } from "./message.ts";

/** An answer: the parsed message, and its exact text where it stood alone (a JSON body or a line). */
export interface Reply {
  readonly message: Message;
  readonly text?: string;
}

/**
 * A way to exchange JSON-RPC messages with one upstream server: the seam between the broker and a transport.
 * Both are our own: the SDK's stdio transport always hands six variables of our environment to the child, and its HTTP
 * transport costs a fetch, three web streams and an abort signal a call and drops which stream a message came on.
 */
export interface Wire {
  /** Sends a request; its answer goes to `onReply`. */
  request(message: Message & { id: RequestId }, headers?: Readonly<Record<string, string>>): void;
  /** Sends a notification or a response. Failures are not reported: nobody waits for it. */
  send(message: Message): void;
  /** Ends a request's own stream where the transport has one; false where the caller must send a cancellation instead. */
  abandon(id: RequestId): boolean;
  /** Tells which revision was negotiated; a sessionful HTTP wire then sends its header and opens its GET stream. */
  negotiated(version: string, sessionful: boolean): void;
  close(): Promise<void>;
}

/** What a wire tells its owner. */
export interface WireEvents {
  /** The answer to a request. Called at most once for each id. */
  onReply(id: RequestId, reply: Reply): void;
  /** A request could not be sent, or its stream ended without an answer. */
  onRequestFailed(id: RequestId, error: Error): void;
  /** A request or notification from the server; `related` is the request on whose stream it came, where known. */
  onMessage(message: Message, related: RequestId | undefined): void;
  /** The connection is gone for good. Called once, and not after `close`. */
  onClose(error?: Error): void;
}

/** A failure whose message repeats what the server said, for operators. `told` is the same without it: agents MUST get no more. */
export class ServerSaid extends Error {
  readonly told: string;

  constructor(told: string, said: string) {
    super(said === "" ? told : `${told}: ${said}`);
    this.name = "ServerSaid";
    this.told = told;
  }
}
