import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../../src/protocol/messages/23-offset-for-leader-epoch.ts';
import { BATCH_TIME, batch, oldMessage } from '../raw-batch.ts';
import type { DifferentialCase, Session } from '../session.ts';

const UNKNOWN_ID = 'QUJDREVGR0hJSktMTU5PUA';

interface Target {
  readonly name: string;
  readonly topicId: string;
}

async function topic(session: Session, suffix = 't', partitions = 1, configs = {}): Promise<Target> {
  const topicId = await session.createTopic(suffix, partitions, configs);
  return { name: session.name(suffix), topicId };
}

/** The name up to version 12, the id after: a field that a version lacks is left out by the codec. */
function produce(
  session: Session,
  step: string,
  target: Target,
  records: Buffer | null,
  options: { acks?: number; index?: number; version?: number } = {},
) {
  return session.send(
    step,
    ProduceRequest,
    ProduceResponse,
    {
      acks: options.acks ?? -1,
      timeoutMs: 5_000,
      topicData: [{ ...target, partitionData: [{ index: options.index ?? 0, records }] }],
    },
    options.version === undefined ? {} : { version: options.version },
  );
}

function listOffsets(session: Session, step: string, name: string, timestamp: number, partitionIndex = 0) {
  const partition = { partitionIndex, timestamp, currentLeaderEpoch: -1, maxNumOffsets: 1 };
  return session.send(step, ListOffsetsRequest, ListOffsetsResponse, {
    replicaId: -1,
    topics: [{ name, partitions: [partition] }],
  });
}

interface FetchOptions {
  readonly offset?: number;
  readonly partition?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly epoch?: number;
  readonly lastFetchedEpoch?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly isolationLevel?: number;
  readonly forget?: boolean;
  readonly empty?: boolean;
}

function fetch(session: Session, step: string, target: Target, options: FetchOptions = {}) {
  const partition = {
    partition: options.partition ?? 0,
    fetchOffset: options.offset ?? 0,
    partitionMaxBytes: options.partitionMaxBytes ?? 1_000_000,
    currentLeaderEpoch: options.epoch ?? -1,
    lastFetchedEpoch: options.lastFetchedEpoch ?? -1,
  };
  const named = { topic: target.name, topicId: target.topicId };
  const body = {
    maxWaitMs: 50,
    minBytes: 0,
    maxBytes: options.maxBytes ?? 1_000_000,
    isolationLevel: options.isolationLevel ?? 0,
    sessionId: options.sessionId ?? 0,
    sessionEpoch: options.sessionEpoch ?? -1,
    topics: options.empty === true ? [] : [{ ...named, partitions: [partition] }],
    forgottenTopicsData: options.forget === true ? [{ ...named, partitions: [partition.partition] }] : [],
  };
  return session.send(step, FetchRequest, FetchResponse, body, {
    keep: answer => (session.version >= 4 ? answer : withFirstMessages(answer)),
  });
}

/**
 * Apache Kafka announces the size of the stored batches and fills what the old format does not need with an empty
 * message of offset -1, or cuts what needs more: clients skip both. So only the first message is compared.
 */
function withFirstMessages(answer: FetchResponse): unknown {
  return {
    ...answer,
    responses: answer.responses.map(response => ({
      ...response,
      partitions: response.partitions.map(partition => ({
        ...partition,
        records: firstMessage(partition.records ?? Buffer.alloc(0)),
      })),
    })),
  };
}

function firstMessage(records: Buffer): Buffer {
  if (records.length < 12) return Buffer.alloc(0);
  const size = 12 + records.readInt32BE(8);
  return records.length < size ? Buffer.alloc(0) : records.subarray(0, size);
}

/** Produce of v2 batches starts at version 3; older versions carry message sets. */
const BATCHES = { api: ProduceRequest, minVersion: 3 } as const;

const badBatches: readonly (readonly [string, () => Buffer | null])[] = [
  ['null records', () => null],
  ['no bytes', () => Buffer.alloc(0)],
  ['a wrong CRC', () => batch({ crcDelta: 1 })],
  ['two batches', () => Buffer.concat([batch(), batch()])],
  ['magic 3', () => batch({ magic: 3 })],
  ['message format v1', () => oldMessage(1, 0, 'k', 'v')],
  ['a last offset delta that is too high', () => batch({ lastOffsetDelta: 7 })],
  ['a count that is too high', () => batch({ count: 9, lastOffsetDelta: 8 })],
  ['a count of zero', () => batch({ records: [], count: 0, lastOffsetDelta: -1 })],
  ['a negative count', () => batch({ count: -1 })],
  ['the bit of a control batch', () => batch({ attributes: 0x20 })],
  ['the bit of a transaction without a producer', () => batch({ attributes: 0x10 })],
  ['an unknown codec', () => batch({ attributes: 7 })],
  ['zstd by name and garbage by content', () => batch({ attributes: 4 })],
  ['gzip by name and garbage by content', () => batch({ attributes: 1 })],
  ['a timestamp a day ahead', () => batch({ baseTimestamp: BATCH_TIME + 86_400_000 })],
  ['a maximum timestamp that is too low', () => batch({ maxTimestamp: BATCH_TIME - 1 })],
  ['log append time set by the client', () => batch({ attributes: 0x08 })],
  ['a cut batch', () => batch().subarray(0, 70)],
  ['a cut header', () => batch().subarray(0, 30)],
  ['bytes behind the batch', () => Buffer.concat([batch(), Buffer.from('0102030405', 'hex')])],
  [
    'offset deltas with a gap',
    () => batch({ records: [{ offsetDelta: 0 }, { offsetDelta: 5 }], lastOffsetDelta: 5 }),
  ],
  [
    'gzip records with wrong offset deltas',
    () => batch({ gzip: true, records: [{ offsetDelta: 4 }, { offsetDelta: 9 }] }),
  ],
  ['a base offset that is not zero', () => batch({ baseOffset: 1_000 })],
  ['a sequence without a producer id', () => batch({ baseSequence: 4 })],
  ['a producer id without a sequence', () => batch({ producerId: 5, producerEpoch: 0 })],
];

export const dataCases: readonly DifferentialCase[] = [
  ...badBatches.map(
    ([name, records]): DifferentialCase => ({
      ...BATCHES,
      name: `a batch with ${name}`,
      async run(session) {
        const target = await topic(session);
        await produce(session, 'good', target, batch());
        await produce(session, 'bad', target, records());
        await produce(session, 'good again', target, batch());
      },
    }),
  ),
  {
    ...BATCHES,
    name: 'good batches of several kinds',
    async run(session) {
      const target = await topic(session, 't', 2);
      await produce(session, 'plain', target, batch());
      await produce(session, 'gzip', target, batch({ gzip: true }));
      await produce(session, 'acks of 1', target, batch(), { acks: 1 });
      await produce(
        session,
        'headers and nulls',
        target,
        batch({
          records: [
            { key: null, value: null },
            {
              key: '',
              value: '',
              headers: [
                ['h', null],
                ['h', 'v'],
              ],
            },
          ],
        }),
      );
      await produce(session, 'other partition', target, batch(), { index: 1 });
      await produce(session, 'old timestamps', target, batch({ baseTimestamp: 1_000 }));
      await produce(session, 'no timestamp', target, batch({ baseTimestamp: -1 }));
    },
  },
  {
    ...BATCHES,
    name: 'acks that do not exist',
    async run(session) {
      const target = await topic(session);
      await produce(session, 'acks of 2', target, batch(), { acks: 2 });
      await produce(session, 'acks of -2', target, batch(), { acks: -2 });
    },
  },
  {
    ...BATCHES,
    name: 'unknown topics and partitions',
    async run(session) {
      const target = await topic(session);
      await produce(session, 'partition 1', target, batch(), { index: 1 });
      await produce(session, 'partition -1', target, batch(), { index: -1 });
      await produce(session, 'topic', { name: session.name('none'), topicId: UNKNOWN_ID }, batch());
    },
  },
  {
    ...BATCHES,
    name: 'a batch above max.message.bytes',
    async run(session) {
      const target = await topic(session, 't', 1, { 'max.message.bytes': '200' });
      await produce(session, 'small', target, batch());
      await produce(session, 'large', target, batch({ records: [{ value: 'x'.repeat(300) }] }));
    },
  },
  {
    ...BATCHES,
    name: 'a record without key to a compacted topic',
    async run(session) {
      const target = await topic(session, 't', 1, { 'cleanup.policy': 'compact' });
      await produce(session, 'with keys', target, batch({ records: [{ key: 'a' }, { key: 'b' }] }));
      await produce(
        session,
        'without',
        target,
        batch({ records: [{ key: 'a' }, { key: null }, { key: null }] }),
      );
    },
  },
  {
    ...BATCHES,
    name: 'log append time',
    async run(session) {
      const target = await topic(session, 't', 1, { 'message.timestamp.type': 'LogAppendTime' });
      await produce(session, 'produce', target, batch());
    },
  },
  {
    ...BATCHES,
    name: 'the sequences of an idempotent producer',
    async run(session) {
      const target = await topic(session);
      const answer = await session.send(
        'id',
        InitProducerIdRequest,
        InitProducerIdResponse,
        { transactionalId: null, transactionTimeoutMs: 60_000 },
        { version: 1 },
      );
      const id = { producerId: Number(answer.producerId), producerEpoch: 0 };
      const numbered = (baseSequence: number, epoch = 0) =>
        batch({ ...id, producerEpoch: epoch, baseSequence });
      await produce(session, 'sequence 0', target, numbered(0));
      await produce(session, 'sequence 0 again', target, numbered(0));
      await produce(session, 'sequence 3', target, numbered(3));
      await produce(session, 'sequence 9', target, numbered(9));
      await produce(session, 'sequence 6', target, numbered(6));
      await produce(session, 'sequence 0 once more', target, numbered(0));
      for (let sequence = 9; sequence <= 24; sequence += 3) {
        await produce(session, `sequence ${sequence}`, target, numbered(sequence));
      }
      await produce(session, 'a sequence older than the last five', target, numbered(3));
      await produce(session, 'the next epoch in the middle', target, numbered(5, 1));
      await produce(session, 'the next epoch', target, numbered(0, 1));
      await produce(session, 'the epoch before', target, numbered(3, 0));
    },
  },
  {
    ...BATCHES,
    name: 'a producer that the broker does not know',
    async run(session) {
      const target = await topic(session);
      await produce(
        session,
        'sequence 4',
        target,
        batch({ producerId: 987_654, producerEpoch: 3, baseSequence: 4 }),
      );
      await produce(
        session,
        'a next one',
        target,
        batch({ producerId: 987_654, producerEpoch: 3, baseSequence: 7 }),
      );
    },
  },
  {
    api: ProduceRequest,
    maxVersion: 2,
    name: 'message sets of the old formats',
    async run(session) {
      const target = await topic(session);
      const two = Buffer.concat([oldMessage(0, 0, 'k', 'v'), oldMessage(0, 1, null, 'w')]);
      await produce(session, 'v0', target, two);
      if (session.version === 2) await produce(session, 'v1', target, oldMessage(1, 0, 'k', 'v'));
      const damaged = oldMessage(0, 0, 'k', 'v');
      damaged[damaged.length - 1] = 0;
      await produce(session, 'a wrong CRC', target, damaged);
      await produce(session, 'cut', target, two.subarray(0, 40));
      await produce(session, 'unknown topic', { name: session.name('none'), topicId: UNKNOWN_ID }, two);
    },
  },
  {
    api: FetchRequest,
    name: 'from each offset, and out of range',
    async run(session) {
      const target = await topic(session);
      await produce(session, 'one', target, batch(), { version: 7 });
      // Below version 4 the batch is converted down and compressed anew: no two gzips write the same bytes.
      const gzip = session.version >= 4;
      await produce(session, 'two', target, batch({ gzip }), { version: 7 });
      for (const offset of [0, 1, 3, 5, 6]) await fetch(session, `offset ${offset}`, target, { offset });
      await fetch(session, 'offset 7', target, { offset: 7 });
      await fetch(session, 'offset -1', target, { offset: -1 });
      await fetch(session, 'one byte', target, { partitionMaxBytes: 1, maxBytes: 1 });
      await fetch(session, 'room for the first', target, { partitionMaxBytes: 130 });
    },
  },
  {
    api: FetchRequest,
    name: 'unknown topics and partitions',
    async run(session) {
      const target = await topic(session);
      await fetch(session, 'partition 1', target, { partition: 1 });
      await fetch(session, 'partition -1', target, { partition: -1 });
      await fetch(session, 'topic', { name: session.name('none'), topicId: UNKNOWN_ID });
    },
  },
  {
    api: FetchRequest,
    minVersion: 4,
    name: 'read committed',
    async run(session) {
      const target = await topic(session);
      await produce(session, 'one', target, batch(), { version: 7 });
      await fetch(session, 'read committed', target, { isolationLevel: 1 });
    },
  },
  {
    api: FetchRequest,
    minVersion: 9,
    name: 'leader epochs',
    async run(session) {
      const target = await topic(session);
      await produce(session, 'one', target, batch(), { version: 7 });
      await fetch(session, 'epoch 0', target, { epoch: 0 });
      await fetch(session, 'a newer epoch', target, { epoch: 5 });
      if (session.version < 12) return;
      await fetch(session, 'fetched epoch 0', target, { epoch: 0, lastFetchedEpoch: 0, offset: 3 });
      await fetch(session, 'fetched an epoch that never was', target, {
        epoch: 0,
        lastFetchedEpoch: 7,
        offset: 3,
      });
    },
  },
  {
    api: FetchRequest,
    minVersion: 7,
    name: 'fetch sessions',
    async run(session) {
      const target = await topic(session, 't', 2);
      await produce(session, 'one', target, batch(), { version: 7 });
      const first = await fetch(session, 'create', target, { sessionEpoch: 0 });
      const sessionId = Number(first.sessionId);
      await fetch(session, 'nothing new', target, { sessionId, sessionEpoch: 1, empty: true });
      await produce(session, 'two', target, batch(), { version: 7 });
      await fetch(session, 'something new', target, { sessionId, sessionEpoch: 2, empty: true });
      await fetch(session, 'add a partition', target, { sessionId, sessionEpoch: 3, partition: 1 });
      await fetch(session, 'forget it', target, { sessionId, sessionEpoch: 4, forget: true, empty: true });
      await fetch(session, 'a wrong epoch', target, { sessionId, sessionEpoch: 9, empty: true });
      await fetch(session, 'close', target, { sessionId, sessionEpoch: -1 });
      await fetch(session, 'after the end', target, { sessionId, sessionEpoch: 5, empty: true });
      await fetch(session, 'unknown session', target, { sessionId: 12_345, sessionEpoch: 1, empty: true });
    },
  },
  {
    api: ListOffsetsRequest,
    name: 'by every kind of timestamp',
    async run(session) {
      const target = await topic(session);
      for (const special of [-1, -2])
        await listOffsets(session, `${special} of an empty log`, target.name, special);
      const spread = batch({
        baseTimestamp: 5_000,
        records: [{}, { timestampDelta: 20 }, { timestampDelta: 10 }],
      });
      await produce(session, 'one', target, spread, { version: 7 });
      await produce(session, 'two', target, batch({ baseTimestamp: 5_015 }), { version: 7 });
      // Version 0 answers with offsets of segments, which depend on when their files were made.
      const times = session.version === 0 ? [-1, -2] : [-1, -2, 0, 5_000, 5_001, 5_015, 5_020, 5_021];
      for (const timestamp of times) await listOffsets(session, `${timestamp}`, target.name, timestamp);
      for (const special of [-3, -4, -5, -6, -7]) {
        if (session.version >= 1) await listOffsets(session, `${special}`, target.name, special);
      }
    },
  },
  {
    api: ListOffsetsRequest,
    name: 'unknown topics and partitions, and one partition twice',
    async run(session) {
      const target = await topic(session);
      await listOffsets(session, 'partition 1', target.name, -1, 1);
      await listOffsets(session, 'topic', session.name('none'), -1);
      const partition = { partitionIndex: 0, timestamp: -1, maxNumOffsets: 1 };
      await session.send('twice', ListOffsetsRequest, ListOffsetsResponse, {
        replicaId: -1,
        topics: [{ name: target.name, partitions: [partition, { ...partition, timestamp: -2 }] }],
      });
    },
  },
  {
    api: ListOffsetsRequest,
    minVersion: 4,
    name: 'leader epochs',
    async run(session) {
      const target = await topic(session);
      for (const currentLeaderEpoch of [0, 4]) {
        const partition = { partitionIndex: 0, timestamp: -1, currentLeaderEpoch };
        await session.send(`epoch ${currentLeaderEpoch}`, ListOffsetsRequest, ListOffsetsResponse, {
          replicaId: -1,
          topics: [{ name: target.name, partitions: [partition] }],
        });
      }
    },
  },
  {
    api: OffsetForLeaderEpochRequest,
    name: 'known, newer and unknown epochs',
    async run(session) {
      const target = await topic(session);
      await produce(session, 'one', target, batch(), { version: 7 });
      const ask = (
        step: string,
        leaderEpoch: number,
        partition = 0,
        currentLeaderEpoch = -1,
        name = target.name,
      ) =>
        session.send(step, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, {
          replicaId: -1,
          topics: [{ topic: name, partitions: [{ partition, leaderEpoch, currentLeaderEpoch }] }],
        });
      await ask('epoch 0', 0);
      await ask('epoch 1', 1);
      await ask('epoch -1', -1);
      await ask('partition 7', 0, 7);
      await ask('unknown topic', 0, 0, -1, session.name('none'));
      if (session.version >= 2) await ask('a newer leader epoch', 0, 0, 3);
    },
  },
  {
    api: InitProducerIdRequest,
    maxVersion: 5,
    name: 'without a transactional id',
    async run(session) {
      const ask = (step: string, extra = {}) =>
        session.send(step, InitProducerIdRequest, InitProducerIdResponse, {
          transactionalId: null,
          transactionTimeoutMs: 60_000,
          ...extra,
        });
      await ask('new');
      await ask('a timeout of 0', { transactionTimeoutMs: 0 });
      if (session.version < 3) return;
      await ask('an id that is known', { producerId: 4, producerEpoch: 1 });
      await ask('an epoch without id', { producerId: -1, producerEpoch: 1 });
    },
  },
];
