import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { CallgateError, messageOf } from "@callgate/core";
import { type ExportTarget, type OutgoingRecord, syslogFrame } from "@callgate/ledger";
import type { ExportAddress } from "./address.ts";

type SyslogAddress = Extract<ExportAddress, { kind: "syslog" }>;

/** A receiver that takes nothing for so long is taken for gone; milliseconds. */
const PATIENCE_MS = 15_000;
/** What fits into one UDP datagram. */
const LONGEST_DATAGRAM = 65_507;

/** Opens a syslog receiver. `messageOf` gives a record's message. Rejects with `EXPORT_FAILED`, from `put` too. */
export async function openSyslogTarget(
  address: SyslogAddress,
  lineOf: (out: OutgoingRecord) => string,
): Promise<ExportTarget> {
  const failed = (error: unknown): CallgateError =>
    new CallgateError(
      "EXPORT_FAILED",
      `\`${address.transport}://${address.host}:${address.port}\` does not take records: ${messageOf(error)}`,
      {
        help: "see that the receiver runs, then run the same command again: it goes on where it stopped",
        cause: error,
      },
    );
  return address.transport === "udp" ? datagrams(address, lineOf, failed) : stream(address, lineOf, failed);
}

/** Nothing says whether a datagram arrived; a port that nobody listens on is noticed with the next one. */
async function datagrams(
  { host, port }: SyslogAddress,
  lineOf: (out: OutgoingRecord) => string,
  failed: (error: unknown) => CallgateError,
): Promise<ExportTarget> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  let problem: Error | undefined;
  socket.on("error", (error) => {
    problem = error;
  });
  socket.connect(port, host);
  await once(socket, "connect").catch((error: unknown) => {
    throw failed(error);
  });
  return {
    bytes: undefined,
    async put(records) {
      for (const out of records) {
        const message = Buffer.from(lineOf(out)).subarray(0, LONGEST_DATAGRAM);
        const error = await new Promise<Error | null>((resolve) => socket.send(message, resolve));
        if (error ?? problem) {
          const why = error ?? problem;
          problem = undefined;
          throw failed(why);
        }
      }
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/**
 * Syslog over a stream has no acknowledgement: what was handed to a connection that then broke may be lost. The batch before a break
 * is sent again on the new connection, so that it rather comes twice.
 */
async function stream(
  address: SyslogAddress,
  lineOf: (out: OutgoingRecord) => string,
  failed: (error: unknown) => CallgateError,
): Promise<ExportTarget> {
  let socket = await opened(address).catch((error: unknown) => {
    throw failed(error);
  });
  let before = "";
  return {
    bytes: undefined,
    async put(records) {
      const frames = records.map((out) => syslogFrame(lineOf(out))).join("");
      try {
        if (socket.destroyed || socket.readableEnded) {
          socket = await opened(address);
          await written(socket, before);
        }
        await written(socket, frames);
        before = frames;
      } catch (error) {
        socket.destroy();
        throw failed(error);
      }
    },
    async close() {
      if (socket.destroyed) return;
      const closed = once(socket, "close");
      socket.end();
      await closed.catch((error: unknown) => {
        throw failed(error);
      });
    },
  };
}

async function opened({ transport, host, port }: SyslogAddress): Promise<Socket> {
  const socket =
    transport === "tls"
      ? connectTls({ host, port, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) })
      : connect({ host, port });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`it took nothing for ${PATIENCE_MS / 1000} s`)));
  await once(socket, transport === "tls" ? "secureConnect" : "connect");
  // Between two batches nobody waits for it, and being quiet is no fault.
  socket.setTimeout(0);
  socket.on("error", () => undefined);
  // A receiver has nothing to say; its end is heard only if that is read.
  socket.resume();
  return socket;
}

function written(socket: Socket, text: string): Promise<void> {
  if (text === "") return Promise.resolve();
  return new Promise((resolve, reject) => {
    socket.setTimeout(PATIENCE_MS);
    socket.write(text, (error) => {
      socket.setTimeout(0);
      if (error) reject(error);
      else resolve();
    });
  });
}
