/** A Bloom filter over words: 64 KiB, three hashes. Never forgets what was added. */
export class WordFilter {
  readonly #bits = new Uint32Array(16_384);

  add(word: string): void {
    const [a, b] = hash(word);
    for (let i = 0; i < 3; i++) {
      const bit = (a + Math.imul(i, b)) >>> 13;
      (this.#bits as Uint32Array)[bit >>> 5] = ((this.#bits[bit >>> 5] as number) | (1 << (bit & 31))) >>> 0;
    }
  }

  has(word: string): boolean {
    const [a, b] = hash(word);
    for (let i = 0; i < 3; i++) {
      const bit = (a + Math.imul(i, b)) >>> 13;
      if ((((this.#bits[bit >>> 5] as number) >>> (bit & 31)) & 1) === 0) return false;
    }
    return true;
  }
}

function hash(word: string): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < word.length; i++) {
    const c = word.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x85ebca6b) + (b >>> 15);
  }
  return [a ^ (a >>> 15), b | 1];
}
