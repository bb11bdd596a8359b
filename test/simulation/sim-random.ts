/** A stream of random numbers from a seed (sfc32). Streams forked under different names do not depend on each other. */
export class SimRandom {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, name = '') {
    let hash = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1);
    for (let index = 0; index < name.length; index++)
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    this.a = hash | 0;
    this.b = Math.imul(seed ^ 0x5bd1e995, 0x85ebca6b) | 0;
    this.c = Math.floor(seed / 2 ** 32) | 0;
    for (let round = 0; round < 12; round++) this.uint32();
  }

  private uint32(): number {
    const result = (this.a + this.b + this.counter++) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + result;
    return result >>> 0;
  }

  /** In [0, 1). */
  readonly next = (): number => this.uint32() / 2 ** 32;

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)]!;
  }

  /** From `low` to `high`, small values as likely as large ones on a logarithmic scale. */
  scaled(low: number, high: number): number {
    return low * (high / low) ** this.next();
  }

  bytes(size: number): Buffer {
    const bytes = Buffer.alloc(size);
    for (let index = 0; index < size; index++) bytes[index] = this.uint32() & 0xff;
    return bytes;
  }

  /** A stream of its own; what it gives depends on the draws made before. */
  fork(name: string): SimRandom {
    return new SimRandom(this.uint32(), name);
  }
}
