import { describe, expect, it } from 'vitest';
import {
  coordinatorPartitionOf,
  javaHashCode,
} from '../../../src/coordinator/runtime/coordinator-partition.ts';

describe('the partition of a group', () => {
  it('goes by the hash code that Java gives a string', () => {
    expect(javaHashCode('')).toBe(0);
    expect(javaHashCode('g')).toBe(103);
    expect(javaHashCode('console-consumer-12345')).toBe(158455506);
    // UTF-16 units, not characters.
    expect(javaHashCode('\u{1F600}')).toBe(31 * 0xd83d + 0xde00);
  });

  it('is never negative, not even for the hash that has no positive counterpart', () => {
    expect(javaHashCode('polygenelubricants')).toBe(-0x8000_0000);
    expect(coordinatorPartitionOf('polygenelubricants', 50)).toBe(0);
    expect(coordinatorPartitionOf('console-consumer-12345', 50)).toBe(6);
  });
});
