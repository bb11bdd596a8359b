import { describe, expect, it } from 'vitest';
import type { FinalState, MetadataAtRest } from './final-state.ts';
import { batchAtRest, EMPTY, HistoryBuilder, PARTITION, STRICT } from './history-builder.ts';
import { checkMetadataLinearizable } from './metadata-linearizability.ts';
import { checkMetadataLogs } from './metadata-logs.ts';

const RUNNING = { ...STRICT, atRest: false };

describe('metadata as registers', () => {
  it('finds nothing where creations and deletions alternate', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'TOPIC_ALREADY_EXISTS');
    b.answer(b.call('a1', { name: 'deleteTopic', topic: 't' }), 'NONE');
    b.answer(b.call('a1', { name: 'deleteTopic', topic: 't' }), 'UNKNOWN_TOPIC_OR_PARTITION');
    expect(b.check(checkMetadataLinearizable)).toEqual([]);
  });

  it('M10: a topic is created twice without a deletion between', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    b.answer(b.call('a2', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'B' });
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual(['M10']);
  });

  it('a deletion that overlaps both creations explains them', () => {
    const b = new HistoryBuilder();
    const deletion = b.call('a3', { name: 'deleteTopic', topic: 't' });
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    b.answer(b.call('a2', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'B' });
    b.answer(deletion, 'NONE');
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual([]);
  });

  it('a deletion without an answer explains them too, later as well', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    b.answer(b.call('a3', { name: 'deleteTopic', topic: 't' }), 'NETWORK_EXCEPTION', { definite: false });
    b.answer(b.call('a2', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'B' });
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual([]);
  });

  it('a deletion without an answer may have been asked for twice', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a3', { name: 'deleteTopic', topic: 't' }), 'NETWORK_EXCEPTION', { definite: false });
    const create = (topicId: string) =>
      b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId });
    for (const id of ['A', 'B', 'C']) create(id);
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual([]);
    create('D');
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual(['M10']);
  });

  it('a deletion that took long may be carried out again, where bytes can be late', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    const deletion = b.call('a3', { name: 'deleteTopic', topic: 't' });
    for (let ms = 0; ms < 60; ms++) b.listed('c1', 0);
    b.answer(deletion, 'NONE');
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'B' });
    b.answer(b.call('a2', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'C' });
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual(['M10']);
    expect(b.check(checkMetadataLinearizable, EMPTY, { ...RUNNING, lateBytes: true })).toEqual([]);
  });

  it('a deletion that took long may have been carried out before and after a creation', () => {
    const deleteTwice = (ms: number): HistoryBuilder => {
      const b = new HistoryBuilder();
      b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
      const deletion = b.call('a3', { name: 'deleteTopic', topic: 't' });
      b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'B' });
      for (let i = 0; i < ms; i++) b.listed('c1', 0);
      b.answer(deletion, 'NONE');
      return b;
    };
    const other = { ...PARTITION, name: 'other-0', partition: 'O:0' };
    const absent: FinalState = { ...EMPTY, partitions: [other] };
    expect(deleteTwice(60).check(checkMetadataLinearizable, absent)).toEqual([]);
    // One that was answered at once was sent once.
    expect(deleteTwice(10).check(checkMetadataLinearizable, absent)).toEqual(['M10']);
  });

  it('M10: a deletion succeeds where nothing was', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'deleteTopic', topic: 't' }), 'NONE');
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual(['M10']);
  });

  it('M10: a topic that was created and never deleted is gone, or has another id', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    const other = { ...PARTITION, name: 'other-0', partition: 'O:0' };
    const there = (id: string): FinalState => ({
      ...EMPTY,
      partitions: [{ ...PARTITION, name: 't-0', partition: `${id}:0` }],
    });
    expect(b.check(checkMetadataLinearizable, { ...EMPTY, partitions: [other] })).toEqual(['M10']);
    expect(b.check(checkMetadataLinearizable, there('B'))).toEqual(['M10']);
    expect(b.check(checkMetadataLinearizable, there('A'))).toEqual([]);
  });

  it('M10: a broker shows a topic id that nobody made', () => {
    const b = new HistoryBuilder();
    b.answer(b.call('a1', { name: 'createTopic', topic: 't' }), 'NONE', { topicId: 'A' });
    b.answer(b.call('a1', { name: 'describeTopic', topic: 't', broker: 1 }), 'NONE', { topicId: 'A' });
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual([]);
    b.answer(b.call('a1', { name: 'describeTopic', topic: 't', broker: 1 }), 'NONE', { topicId: 'Z' });
    expect(b.check(checkMetadataLinearizable, EMPTY, RUNNING)).toEqual(['M10']);
  });

  it('M10: a configuration is read that nobody wrote, or before it was written', () => {
    const key = 'retention.ms';
    const b = new HistoryBuilder();
    const read = (value: string) =>
      b.answer(b.call('a1', { name: 'getConfig', topic: 't', key, broker: 1 }), 'NONE', { value });
    const write = (value: string) =>
      b.answer(b.call('a2', { name: 'setConfig', topic: 't', key, value }), 'NONE');
    read('default');
    write('1');
    read('1');
    read('default');
    expect(b.check(checkMetadataLinearizable)).toEqual([]);
    read('2');
    write('2');
    expect(b.check(checkMetadataLinearizable)).toEqual(['M10']);
  });
});

describe('metadata logs', () => {
  function log(node: number, more: Partial<MetadataAtRest> = {}): MetadataAtRest {
    return {
      node,
      batches: [batchAtRest(0, ['a']), batchAtRest(1, ['b']), batchAtRest(2, ['c'], { leaderEpoch: 1 })],
      snapshots: [],
      image: { offset: 2, digest: 'image' },
      highWatermark: 3,
      damage: undefined,
      ...more,
    };
  }
  const found = (...metadataLogs: MetadataAtRest[]): string[] =>
    new HistoryBuilder().check(checkMetadataLogs, {
      ...EMPTY,
      metadataLogs,
      up: metadataLogs.map(l => l.node),
    });

  it('finds nothing in equal logs', () => {
    expect(found(log(1), log(2), log(3))).toEqual([]);
  });

  it('M6: committed records differ', () => {
    const batches = [batchAtRest(0, ['a']), batchAtRest(1, ['x']), batchAtRest(2, ['c'], { leaderEpoch: 1 })];
    expect(found(log(1), log(2, { batches }))).toEqual(['M6']);
  });

  it('M3: logs differ below a record that both have', () => {
    const batches = [batchAtRest(0, ['a']), batchAtRest(1, ['x']), batchAtRest(2, ['c'], { leaderEpoch: 1 })];
    expect(found(log(1, { highWatermark: 0 }), log(2, { batches, highWatermark: 0 }))).toEqual(['M3']);
  });

  it('uncommitted tails may differ', () => {
    const batches = [batchAtRest(0, ['a']), batchAtRest(1, ['b']), batchAtRest(2, ['z'], { leaderEpoch: 0 })];
    expect(found(log(1, { highWatermark: 2 }), log(2, { batches, highWatermark: 2 }))).toEqual([]);
  });

  it('M6: different images as of one offset', () => {
    expect(found(log(1), log(2, { image: { offset: 2, digest: 'another' } }))).toEqual(['M6']);
  });

  it('M8: a snapshot past the high watermark, and one that does not reach the log', () => {
    expect(found(log(1, { snapshots: [{ offset: 9, epoch: 1 }] }))).toEqual(['M8']);
    const batches = [batchAtRest(5, ['f'])];
    expect(found(log(1, { batches, highWatermark: 6, snapshots: [{ offset: 3, epoch: 0 }] }))).toEqual([
      'M8',
    ]);
    expect(found(log(1, { batches, highWatermark: 6, snapshots: [{ offset: 5, epoch: 0 }] }))).toEqual([]);
  });

  it('M11: a node that lives has no metadata at the end', () => {
    expect(found(log(1), log(2, { image: undefined }))).toEqual(['M11']);
  });

  it('S1, S2 and M3 in a single log', () => {
    expect(found(log(1, { batches: [batchAtRest(0, ['a']), batchAtRest(2, ['c'])] }))).toEqual(['S1']);
    expect(found(log(1, { batches: [batchAtRest(0, ['a'], { crcIsValid: false })] }))).toEqual(['S2']);
    const back = [batchAtRest(0, ['a'], { leaderEpoch: 3 }), batchAtRest(1, ['b'], { leaderEpoch: 2 })];
    expect(found(log(1, { batches: back }))).toEqual(['M3']);
  });
});
