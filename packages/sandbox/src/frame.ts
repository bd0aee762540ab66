/**
 * What goes over the pipe between broker and worker: a 4-byte little-endian length of the rest, a kind byte, a 4-byte id,
 * and UTF-8 text. The worker holds its own copy of these numbers, since it is sent as text.
 */
export const FRAME = {
  // to the worker
  init: 1,
  code: 2,
  run: 3,
  answer: 4,
  refusal: 5,
  tick: 6,
  end: 7,
  // from the worker
  ready: 16,
  call: 17,
  log: 18,
  progress: 19,
  timer: 20,
  untimer: 21,
  done: 22,
  /** The guest's failure, in its own words. */
  fail: 23,
  /** The worker's: out of memory, or a guest that waits for nothing. */
  fault: 24,
} as const;

export const FRAME_HEAD = 9;

/** One frame as bytes. */
export function frameOf(kind: number, id: number, text: string): Buffer {
  const size = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(FRAME_HEAD + size);
  frame.writeUInt32LE(5 + size, 0);
  frame[4] = kind;
  frame.writeUInt32LE(id, 5);
  frame.write(text, FRAME_HEAD, "utf8");
  return frame;
}

/** Cuts a stream of bytes into frames. Looks at a frame's size before it keeps a byte of it. */
export class FrameReader {
  readonly #largest: () => number;
  readonly #take: (kind: number, id: number, body: Buffer) => void;
  #kept: Buffer[] = [];
  #size = 0;

  /** `largest` says how many bytes a body may have now. */
  constructor(largest: () => number, take: (kind: number, id: number, body: Buffer) => void) {
    this.#largest = largest;
    this.#take = take;
  }

  /** False if a frame is larger than allowed: nothing after it can be read. */
  push(chunk: Buffer): boolean {
    let bytes = chunk;
    if (this.#size > 0) {
      this.#kept.push(chunk);
      this.#size += chunk.length;
      const head = this.#kept[0] as Buffer;
      // Joined only when a frame is whole, so that a large frame costs one copy and not one a chunk.
      if (head.length >= 4 && this.#size < 4 + head.readUInt32LE(0)) return true;
      bytes = Buffer.concat(this.#kept);
      this.#kept = [];
      this.#size = 0;
    }
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32LE(at);
      if (length < 5 || length - 5 > this.#largest()) return false;
      if (bytes.length - at < 4 + length) break;
      this.#take(bytes[at + 4] as number, bytes.readUInt32LE(at + 5), bytes.subarray(at + FRAME_HEAD, at + 4 + length));
      at += 4 + length;
    }
    if (at < bytes.length) {
      this.#kept = [bytes.subarray(at)];
      this.#size = bytes.length - at;
    }
    return true;
  }
}
