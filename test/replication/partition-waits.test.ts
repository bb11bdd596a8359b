import { describe, expect, it } from 'vitest';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { PartitionWaits } from '../../src/replication/partition-waits.ts';

describe('those who wait for a partition', () => {
  it('are called in the order of their offsets, once the high watermark has come to them', () => {
    const waits = new PartitionWaits();
    const called: string[] = [];
    for (const [name, offset] of [
      ['a', 5],
      ['b', 9],
      ['sent twice', 3],
    ] as const)
      waits.awaitHighWatermark(offset, error => called.push(`${name} ${error?.message ?? 'done'}`));
    waits.onHighWatermark(5, () => undefined);
    expect(called).toEqual(['sent twice done', 'a done']);
    waits.onHighWatermark(8, () => undefined);
    expect(called.length).toBe(2);
    waits.onHighWatermark(9, () => new KafkaError(Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND, 'too few'));
    expect(called.at(-1)).toBe('b too few');
  });

  it('are told once when the role changes, and may wait anew from inside that call', () => {
    const waits = new PartitionWaits();
    const called: string[] = [];
    waits.awaitHighWatermark(5, error => {
      called.push(String(error?.message));
      waits.awaitHighWatermark(6, again => called.push(`again ${again?.message ?? 'done'}`));
    });
    waits.onRole(() => new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'moved'));
    expect(called).toEqual(['moved']);
    waits.onHighWatermark(6, () => undefined);
    expect(called).toEqual(['moved', 'again done']);
  });

  it('hear of what concerns them: followers of the end of the log, all of the high watermark and the role', () => {
    const waits = new PartitionWaits();
    const told: string[] = [];
    const watcher = (name: string) => ({
      onPartitionProgress: (progress: string) => void told.push(`${name} ${progress}`),
    });
    const follower = watcher('follower');
    waits.watch(follower, true);
    waits.watch(watcher('consumer'), false);
    waits.onLogEnd();
    expect(told).toEqual(['follower logEnd']);
    waits.unwatch(follower);
    waits.onLogEnd();
    waits.onHighWatermark(1, () => undefined);
    waits.onRole(() => new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'moved'));
    expect(told).toEqual(['follower logEnd', 'consumer highWatermark', 'consumer role']);
  });
});
