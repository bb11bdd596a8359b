import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import type { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import type { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { MetadataLoader } from '../../src/metadata/metadata-loader.ts';
import type { LoaderManifest, MetadataPublisher } from '../../src/metadata/metadata-publisher.ts';
import { type MetadataRecord, metadataRecord } from '../../src/metadata/metadata-record.ts';
import { decodeMetadataRecord, encodeMetadataRecord } from '../../src/metadata/metadata-record-serde.ts';
import { SnapshotGenerator } from '../../src/metadata/snapshot-generator.ts';
import type { CommittedBatch, LeaderAndEpoch } from '../../src/raft/raft-client.ts';
import { FakeQuorum } from '../controller/support/fake-quorum.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { canonical } from './support/canonical.ts';

class Recorder implements MetadataPublisher {
  readonly name = 'recorder';
  readonly seen: { changed: string[]; topics: string[]; offset: unknown; source: string }[] = [];
  readonly leaders: LeaderAndEpoch[] = [];
  closed = false;

  onMetadataUpdate(delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest): void {
    this.seen.push({
      changed: [...(delta.topics?.changedTopics.values() ?? [])].map(topic => topic.name),
      topics: [...image.topics.byName.keys()].sort(),
      offset: image.highestOffset,
      source: manifest.source,
    });
  }

  onControllerChange(leaderAndEpoch: LeaderAndEpoch): void {
    this.leaders.push(leaderAndEpoch);
  }

  close(): void {
    this.closed = true;
  }
}

const ids = new Map<string, string>();
function topic(name: string): Buffer {
  const topicId =
    ids.get(name) ?? Buffer.from(`id-of-topic-${ids.size}`.padEnd(16, '_')).toString('base64url');
  ids.set(name, topicId);
  return encode(metadataRecord('TopicRecord', { name, topicId }));
}
const encode = (record: MetadataRecord): Buffer => encodeMetadataRecord(record);
const begin = encode(metadataRecord('BeginTransactionRecord', { name: null }));
const end = encode(metadataRecord('EndTransactionRecord', {}));
const abort = encode(metadataRecord('AbortTransactionRecord', { reason: null }));

function started(): { quorum: FakeQuorum; loader: MetadataLoader; recorder: Recorder } {
  const quorum = new FakeQuorum();
  const loader = new MetadataLoader(silentLogger, quorum);
  const recorder = new Recorder();
  loader.addPublisher(recorder);
  quorum.register(loader);
  return { quorum, loader, recorder };
}

function snapshot(offset: number, ...records: Buffer[]): Parameters<MetadataLoader['handleLoadSnapshot']>[0] {
  const batch: CommittedBatch = {
    baseOffset: 0,
    lastOffset: records.length - 1,
    epoch: 1,
    appendTimestamp: 5,
    sizeInBytes: 100,
    records,
    controlRecords: [],
  };
  return { snapshotId: { offset, epoch: 1 }, lastContainedLogTimestamp: 7, batches: () => [batch] };
}

describe('MetadataLoader', () => {
  it('publishes each commit with what it changed', () => {
    const { quorum, recorder, loader } = started();
    quorum.elect(1);
    quorum.append(topic('a'));
    quorum.append(topic('b'));
    quorum.commit();
    quorum.append(topic('c'));
    quorum.commit();
    expect(recorder.seen).toEqual([
      { changed: [], topics: [], offset: 0, source: 'log' },
      { changed: ['a', 'b'], topics: ['a', 'b'], offset: 2, source: 'log' },
      { changed: ['c'], topics: ['a', 'b', 'c'], offset: 3, source: 'log' },
    ]);
    expect(loader.image().provenance).toMatchObject({ lastContainedEpoch: 1, lastContainedLogTimeMs: 1003 });
    expect(recorder.leaders).toEqual([{ leaderId: 1, epoch: 1 }]);
  });

  it('publishes nothing before it has reached the high watermark, then everything at once', () => {
    const { quorum, recorder, loader } = started();
    quorum.append(topic('a'));
    quorum.append(topic('b'));
    const [first, second] = quorum.batches as [CommittedBatch, CommittedBatch];
    quorum.highWatermark = () => 2;
    loader.handleCommit([first]);
    expect(recorder.seen).toEqual([]);
    loader.handleCommit([second]);
    expect(recorder.seen).toEqual([{ changed: ['a', 'b'], topics: ['a', 'b'], offset: 1, source: 'log' }]);
  });

  it('gives a publisher that comes late everything, and the leader', () => {
    const { quorum, loader } = started();
    quorum.elect(1);
    quorum.append(topic('a'));
    quorum.commit();
    const late = new Recorder();
    loader.addPublisher(late);
    expect(late.seen).toEqual([{ changed: ['a'], topics: ['a'], offset: 1, source: 'snapshot' }]);
    expect(late.leaders).toHaveLength(1);
    loader.removePublisher(late);
    quorum.append(topic('b'));
    quorum.commit();
    expect(late.seen).toHaveLength(1);
  });

  it('lets a transaction take effect at its end, across batches, and not at all if it is aborted', () => {
    const { quorum, recorder, loader } = started();
    quorum.elect(1);
    quorum.append(topic('before'), begin, topic('a'));
    quorum.commit();
    expect(loader.image().topics.topic('a')).toBeUndefined();
    expect(loader.inTransaction).toBe(true);
    const published = recorder.seen.length;
    quorum.append(topic('b'));
    quorum.commit();
    expect(recorder.seen).toHaveLength(published);
    quorum.append(topic('c'), end);
    quorum.commit();
    expect(recorder.seen.at(-1)!.topics).toEqual(['a', 'b', 'before', 'c']);
    quorum.append(begin, topic('d'), abort, topic('e'));
    quorum.commit();
    expect(recorder.seen.at(-1)!.topics).toEqual(['a', 'b', 'before', 'c', 'e']);
  });

  it.each<[string, Buffer[], string]>([
    ['a transaction inside another', [begin, begin], 'inside another'],
    ['an end without a beginning', [end], 'not begun'],
    ['an abort without a beginning', [abort], 'not begun'],
    ['a record that is none', [Buffer.of(9)], 'frame version'],
  ])('refuses %s and names the offset', (_what, records, message) => {
    const { quorum } = started();
    quorum.append(topic('a'), ...records);
    expect(() => quorum.commit()).toThrow(new RegExp(`offset \\d+: .*${message}`));
  });

  it('replaces all by a snapshot, and goes on from there', () => {
    const { quorum, recorder, loader } = started();
    quorum.elect(1);
    quorum.append(topic('a'), topic('b'));
    quorum.commit();
    loader.handleLoadSnapshot(snapshot(10, topic('b'), topic('x')));
    expect(recorder.seen.at(-1)).toMatchObject({ topics: ['b', 'x'], offset: 9, source: 'snapshot' });
    expect(loader.image().provenance.lastContainedLogTimeMs).toBe(7);
    loader.handleCommit([
      {
        ...snapshot(0, topic('y')).batches()[Symbol.iterator]().next().value!,
        baseOffset: 10,
        lastOffset: 10,
      },
    ]);
    expect(recorder.seen.at(-1)).toMatchObject({ topics: ['b', 'x', 'y'], offset: 10, source: 'log' });
  });

  it('tells its publishers when it is over', () => {
    const { loader, recorder } = started();
    loader.beginShutdown();
    expect(recorder.closed).toBe(true);
  });
});

describe('SnapshotGenerator', () => {
  function generating(options: { maxBytesBetweenSnapshots: number; maxIntervalMs: number }) {
    const clock = new ManualRuntime();
    const parts = started();
    const generator = new SnapshotGenerator(clock, silentLogger, parts.quorum, options);
    parts.loader.addPublisher(generator);
    parts.quorum.elect(1);
    return { ...parts, clock, generator };
  }

  it('writes the image as it was, in parts, when enough of the log has come', async () => {
    const { quorum, loader, clock } = generating({ maxBytesBetweenSnapshots: 30_000, maxIntervalMs: 0 });
    quorum.append(...Array.from({ length: 1500 }, (_, i) => topic(`t${i}`)));
    quorum.commit();
    const image = loader.image();
    expect(quorum.snapshots).toHaveLength(1);
    const [written] = quorum.snapshots;
    expect(written!.id).toEqual({ offset: 1501, epoch: 1 });
    expect(written!.batches).toHaveLength(1);
    quorum.append(topic('later'));
    quorum.commit();
    await clock.settle();
    expect(written).toMatchObject({ frozen: true, aborted: false });
    const replayed = new MetadataLoader(silentLogger, { highWatermark: () => 1501 });
    replayed.handleLoadSnapshot(snapshot(1501, ...written!.batches.flat()));
    expect(canonical(replayed.image())).toEqual(canonical(image));
    expect(written!.batches.flat().map(value => decodeMetadataRecord(value).type)).toContain('TopicRecord');
    expect(quorum.snapshots).toHaveLength(1);
  });

  it('writes when the last one is long ago and something changed', () => {
    const { quorum, clock } = generating({ maxBytesBetweenSnapshots: 1e9, maxIntervalMs: 1000 });
    quorum.append(topic('a'));
    quorum.commit();
    expect(quorum.snapshots).toHaveLength(0);
    clock.advance(1000);
    quorum.append(topic('b'));
    quorum.commit();
    expect(quorum.snapshots).toHaveLength(1);
  });

  it('drops what it has written so far when it is closed', () => {
    const { quorum, generator, clock } = generating({ maxBytesBetweenSnapshots: 1, maxIntervalMs: 0 });
    quorum.snapshots.length = 0;
    quorum.append(...Array.from({ length: 1500 }, (_, i) => topic(`t${i}`)));
    generator.close();
    quorum.commit();
    clock.turn();
    expect(quorum.snapshots.every(each => each.aborted || each.frozen)).toBe(true);
  });
});
