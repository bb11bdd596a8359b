import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import type { LogConfig } from '../../src/config/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import type { PartitionRegistration } from '../../src/metadata/partition-registration.ts';
import type { TopicImage } from '../../src/metadata/topics-image.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import type { PartitionAppendResult } from '../../src/replication/delayed-produce.ts';
import {
  CONSUMER,
  type FetchParams,
  type FetchPartition,
  type FetchPartitionResult,
} from '../../src/replication/fetch-params.ts';
import { ReplicaManager } from '../../src/replication/replica-manager.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { LOG_CONFIG } from '../log/log-fixture.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { brokerConfig } from '../support/broker-config.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const BROKER = 1;
const OTHER = 2;
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAEA';

function registration(fields: Partial<PartitionRegistration> = {}): PartitionRegistration {
  return {
    replicas: [BROKER],
    directories: [ZERO_UUID],
    isr: [BROKER],
    removingReplicas: [],
    addingReplicas: [],
    elr: [],
    lastKnownElr: [],
    leader: BROKER,
    leaderRecoveryState: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
    ...fields,
  };
}

function topic(partitions: PartitionRegistration[], name = 't', id = TOPIC_ID): TopicImage {
  return { name, id, partitions };
}

function batch(count = 1, valueBytes = 10): Buffer {
  const builder = new RecordBatchBuilder({});
  for (let i = 0; i < count; i++) {
    builder.append({
      timestamp: 1_700_000_000_000,
      key: null,
      value: Buffer.alloc(valueBytes, i),
      headers: [],
    });
  }
  return builder.build();
}

const fetchParams: FetchParams = {
  replicaId: CONSUMER,
  replicaEpoch: -1,
  clientRack: undefined,
  ignoresHighWatermark: false,
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 1_000_000,
  isolation: 'highWatermark',
};

function from(fetchOffset: number, fields: Partial<FetchPartition> = {}): FetchPartition {
  return {
    topic: 't',
    topicId: TOPIC_ID,
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    maxBytes: 100_000,
    ...fields,
  };
}

describe('the replica manager', () => {
  let clock: ManualRuntime;
  let disk: MemoryDisk;
  let replicaManager: ReplicaManager;
  let config: LogConfig;

  beforeEach(async () => {
    clock = new ManualRuntime();
    disk = new MemoryDisk();
    disk.makeDirectorySync('/data');
    const runtime: Runtime = { ...clock, disk };
    config = LOG_CONFIG;
    let failed: (dir: string) => void = () => {};
    const logManager = new LogManager(runtime, silentLogger, {
      logDirs: ['/data'],
      defaultConfig: config,
      onLogDirFailure: dir => failed(dir),
    });
    await logManager.startup();
    replicaManager = new ReplicaManager(runtime, silentLogger, logManager, {
      brokerId: BROKER,
      topicConfig: () => config,
      metadata: () => MetadataImage.EMPTY,
      config: () => brokerConfig(),
      brokerEpoch: () => 1,
      leaderEndPoint: brokerId => ({
        brokerId,
        fetch: () => new Promise(() => {}),
        listOffsets: () => new Promise(() => {}),
        close() {},
      }),
      alterPartition: () => new Promise(() => {}),
    });
    failed = dir => replicaManager.onLogDirFailure(dir);
  });

  function append(
    records: Buffer | null,
    acks = -1,
    partition = 0,
    name = 't',
  ): { results?: PartitionAppendResult } {
    const outcome: { results?: PartitionAppendResult } = {};
    const entry = { topicPartition: { topic: name, partition }, records };
    replicaManager.appendRecords([entry], acks, 1000, { origin: 'client' }, results => {
      outcome.results = results[0]!;
    });
    return outcome;
  }

  function fetch(
    params: Partial<FetchParams>,
    ...partitions: FetchPartition[]
  ): { results?: readonly FetchPartitionResult[] } {
    const outcome: { results?: readonly FetchPartitionResult[] } = {};
    const { fetchSessions } = replicaManager;
    const names = { nameOf: () => 't', idOf: () => TOPIC_ID };
    const request = {
      sessionId: 0,
      sessionEpoch: -1,
      usesTopicIds: false,
      replicaId: CONSUMER,
      forgotten: [],
    };
    const asked = partitions.map(partition => ({ ...partition, topic: partition.topic ?? '' }));
    const context = fetchSessions.open({ ...request, partitions: asked }, names);
    replicaManager.fetch({ ...fetchParams, ...params }, context, reads => {
      outcome.results = reads.map(({ result }) => result);
    });
    return outcome;
  }

  it('acknowledges records at the end of the turn that writes them', () => {
    replicaManager.applyTopics([topic([registration()])], []);
    const first = append(batch(3));
    const second = append(batch(2), 1);
    expect(first.results).toBeUndefined();
    clock.turn();
    expect(first.results).toMatchObject({ errorCode: 0, baseOffset: 0, logStartOffset: 0 });
    expect(second.results).toMatchObject({ errorCode: 0, baseOffset: 3 });
    expect(replicaManager.partition('t', 0)!.log!.highWatermark).toBe(5);
  });

  it('holds the acknowledgement under acks=all for a member of the ISR elsewhere, until the timeout', () => {
    replicaManager.applyTopics(
      [topic([registration({ replicas: [BROKER, OTHER], isr: [BROKER, OTHER] })])],
      [],
    );
    const all = append(batch());
    const one = append(batch(), 1);
    clock.turn();
    expect(one.results).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(all.results).toBeUndefined();
    clock.advance(999);
    expect(all.results).toBeUndefined();
    clock.advance(1);
    expect(all.results).toMatchObject({ errorCode: Errors.REQUEST_TIMED_OUT, baseOffset: -1 });
  });

  it('refuses acks=all with too few replicas in sync, and takes acks=1', () => {
    config = { ...LOG_CONFIG, minInsyncReplicas: 2 };
    replicaManager.applyTopics([topic([registration({ replicas: [BROKER, OTHER] })])], []);
    const all = append(batch());
    const one = append(batch(), 1);
    clock.turn();
    expect(all.results).toMatchObject({ errorCode: Errors.NOT_ENOUGH_REPLICAS });
    expect(one.results).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  it('ends waiting producers with NOT_LEADER_OR_FOLLOWER when the leader moves (R7)', () => {
    const replicas = { replicas: [BROKER, OTHER], isr: [BROKER, OTHER] };
    replicaManager.applyTopics([topic([registration(replicas)])], []);
    const waiting = append(batch());
    clock.turn();
    replicaManager.applyTopics([topic([registration({ ...replicas, leader: OTHER, leaderEpoch: 1 })])], []);
    expect(waiting.results).toMatchObject({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER });
    const late = append(batch());
    clock.turn();
    expect(late.results).toMatchObject({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER });
  });

  it('answers unknown partitions, missing records and a lost disk with their codes', () => {
    replicaManager.applyTopics([topic([registration()])], []);
    expect(append(batch(), -1, 7).results).toMatchObject({ errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION });
    expect(append(null).results).toMatchObject({ errorCode: Errors.INVALID_RECORD });
    disk.fault = operation => (operation === 'write' ? { code: 'EIO' } : undefined);
    const lost = append(batch());
    clock.turn();
    expect(lost.results).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
    expect(append(batch()).results).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
    expect(fetch({}, from(0)).results![0]).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
  });

  it('answers a fetch at once when there is enough, and wakes one that waits when there is', () => {
    replicaManager.applyTopics([topic([registration(), registration()])], []);
    const waiting = fetch({}, from(0), from(0, { partition: 1 }));
    expect(waiting.results).toBeUndefined();
    append(batch(2));
    clock.turn();
    expect(waiting.results!.map(r => r.data!.sizeInBytes > 0)).toEqual([true, false]);
    expect(waiting.results![0]).toMatchObject({ errorCode: 0, highWatermark: 2 });
    expect(fetch({}, from(0)).results![0]!.data!.sizeInBytes).toBeGreaterThan(0);
  });

  it('lets a fetch wait for its minimum, and answers with less when its time is over', () => {
    replicaManager.applyTopics([topic([registration()])], []);
    const timers = clock.pendingTimers;
    const waiting = fetch({ minBytes: 5_000 }, from(0));
    append(batch(1, 1_000));
    clock.turn();
    expect(waiting.results).toBeUndefined();
    clock.advance(500);
    expect(waiting.results![0]!.data!.sizeInBytes).toBeGreaterThan(1_000);
    expect(clock.pendingTimers).toBe(timers);
  });

  it('answers a waiting fetch with an error when its topic is deleted', () => {
    replicaManager.applyTopics([topic([registration()])], []);
    const waiting = fetch({}, from(0));
    replicaManager.applyTopics([], [{ id: TOPIC_ID, name: 't' }]);
    clock.turn();
    expect(waiting.results![0]).toMatchObject({ errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION });
  });

  it('starts a topic of the same name and another id from nothing', () => {
    replicaManager.applyTopics([topic([registration()])], []);
    append(batch(4));
    clock.turn();
    replicaManager.applyTopics([topic([registration()], 't', 'AAAAAAAAAAAAAAAAAAAAIA')], []);
    expect(replicaManager.partition('t', 0)!.log!.logEndOffset).toBe(0);
  });

  it('fences readers of another leader epoch (R7)', () => {
    replicaManager.applyTopics([topic([registration({ leaderEpoch: 5 })])], []);
    const code = (currentLeaderEpoch: number) =>
      fetch({ maxWaitMs: 0 }, from(0, { currentLeaderEpoch })).results![0]!.errorCode;
    expect([4, 5, 6, -1].map(code)).toEqual([Errors.FENCED_LEADER_EPOCH, 0, Errors.UNKNOWN_LEADER_EPOCH, 0]);
  });

  it('tells a reader whose last epoch is not ours where its log parts from ours', () => {
    replicaManager.applyTopics([topic([registration({ leaderEpoch: 3 })])], []);
    append(batch(10));
    clock.turn();
    replicaManager.applyTopics([topic([registration({ leaderEpoch: 6 })])], []);
    append(batch(5));
    clock.turn();
    const same = fetch({}, from(10, { lastFetchedEpoch: 3 })).results![0]!;
    expect(same.divergingEpoch).toBeUndefined();
    const ahead = fetch({}, from(12, { lastFetchedEpoch: 3 })).results![0]!;
    expect(ahead).toMatchObject({
      errorCode: 0,
      data: undefined,
      divergingEpoch: { epoch: 3, endOffset: 10 },
    });
    const unknown = fetch({}, from(12, { lastFetchedEpoch: 4 })).results![0]!;
    expect(unknown.divergingEpoch).toEqual({ epoch: 3, endOffset: 10 });
  });

  it('shares the size limit among the partitions of a fetch, and gives the first batch whole', () => {
    replicaManager.applyTopics([topic([registration(), registration()])], []);
    append(batch(1, 2_000));
    append(batch(1, 2_000), -1, 1);
    clock.turn();
    const sizes = fetch({ maxBytes: 100 }, from(0), from(0, { partition: 1 })).results!.map(
      r => r.data!.sizeInBytes,
    );
    expect(sizes[0]).toBeGreaterThan(2_000);
    expect(sizes[1]).toBe(0);
  });
});
