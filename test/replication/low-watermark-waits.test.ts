import { describe, expect, it } from 'vitest';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { LowWatermarkWaits } from '../../src/replication/low-watermark-waits.ts';

describe('those who wait for the low watermark', () => {
  it('are called once it has come to their offset, or when it never will, and not after they have left', () => {
    const waits = new LowWatermarkWaits();
    const called: string[] = [];
    const add = (name: string, offset: number) =>
      waits.add(offset, (error, low) => called.push(`${name} ${error?.message ?? 'done'} ${low}`));
    add('b', 7);
    add('a', 3);
    const leave = add('c', 3);
    leave();
    waits.onLowWatermark(2);
    expect(called).toEqual([]);
    waits.onLowWatermark(5);
    expect(called).toEqual(['a done 5']);
    waits.failAll(() => new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'moved'));
    expect(called).toEqual(['a done 5', 'b moved -1']);
    expect(waits.isEmpty).toBe(true);
  });
});
