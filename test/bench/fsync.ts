import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Latency, latencyOf } from "./stats.ts";

/** One page and a frame header: what the smallest SQLite WAL commit appends. */
const BLOCK_BYTES = 4120;

/** How long an append and its fdatasync take in a folder: the floor under every durable answer from that disk. */
export function measureFsync(folder: string, count: number): Latency {
  const path = join(folder, "fsync.probe");
  const file = openSync(path, "w");
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const samples = new Float64Array(count);
  try {
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      writeSync(file, block);
      fdatasyncSync(file);
      samples[i] = (performance.now() - start) * 1000;
    }
  } finally {
    closeSync(file);
    rmSync(path);
  }
  return latencyOf(samples);
}
