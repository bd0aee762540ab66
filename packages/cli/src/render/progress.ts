/** Where progress is told: stderr, or what stands for it. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const BAR = 30;
/** How often a terminal's line is drawn anew, and how often another reader gets a line; milliseconds. */
const EVERY = { terminal: 100, lines: 5000 } as const;

/** Tells how far something is: a bar that goes away in the end, or a line every few seconds where no terminal is. */
export function progressOf(
  unit: string,
  stream: ProgressStream = process.stderr,
  now: () => number = () => performance.now(),
): (done: number, total: number) => void {
  const terminal = stream.isTTY === true;
  const began = now();
  let told = began;
  return (done, total) => {
    const time = now();
    if (done >= total) {
      if (terminal) stream.write("\r\u001b[K");
      return;
    }
    if (time - told < (terminal ? EVERY.terminal : EVERY.lines)) return;
    told = time;
    const left = Math.round(((time - began) * (total - done)) / done / 1000);
    const text = `${counted(done)} of ${counted(total)} ${unit}, ${left} s left`;
    if (!terminal) stream.write(`${text}\n`);
    else stream.write(`\r${bar(done / total)} ${text}\u001b[K`);
  };
}

/** A number as people read it: `1,234,567`. */
export function counted(n: number): string {
  return n.toLocaleString("en");
}

function bar(part: number): string {
  const full = Math.floor(part * BAR);
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${String(Math.floor(part * 100)).padStart(2)}%`;
}
