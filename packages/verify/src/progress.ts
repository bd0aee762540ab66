import type { Progress } from "./options.ts";

const WIDTH = 30;
/** Milliseconds between two states of the bar, and between two lines where there is no terminal. */
const REDRAW = 100;
const LINE = 5000;

/** Where progress is shown: standard error, usually. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A function that shows how far a check is: a bar on a terminal, else a line every few seconds. */
export function showProgress(stream: ProgressStream): (progress: Progress) => void {
  const started = performance.now();
  let shown = started;
  return ({ done, total, findings }) => {
    const now = performance.now();
    const over = done >= total;
    if (now - shown < (stream.isTTY === true ? REDRAW : LINE) && !(over && stream.isTTY === true)) return;
    shown = now;
    if (over) {
      if (stream.isTTY === true) stream.write("\r\u001b[K");
      return;
    }
    const rate = Math.round((done / (now - started)) * 1000);
    const left = Math.ceil((total - done) / Math.max(1, rate));
    const text = `${grouped(done)} of ${grouped(total)} records, ${grouped(rate)}/s, ${left} s left, ${findings} findings`;
    const filled = Math.round((done / total) * WIDTH);
    if (stream.isTTY === true) stream.write(`\r\u001b[K[${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${text}`);
    else stream.write(`checked ${text}\n`);
  };
}

/** A number with its thousands set apart. */
export function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}
