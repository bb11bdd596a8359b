import { randomBytes, randomInt } from 'node:crypto';
import type { Random } from '../runtime.ts';

/** The system's random numbers, for everything. */
export class NodeRandom implements Random {
  bytes(size: number): Buffer {
    return randomBytes(size);
  }

  below(bound: number): number {
    return randomInt(bound);
  }
}
