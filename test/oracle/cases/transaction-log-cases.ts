import { ProduceRequest } from '../../../src/protocol/messages/00-produce.ts';
import { FetchRequest } from '../../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest } from '../../../src/protocol/messages/02-list-offsets.ts';
import { OffsetFetchRequest } from '../../../src/protocol/messages/09-offset-fetch.ts';
import { DeleteRecordsRequest } from '../../../src/protocol/messages/21-delete-records.ts';
import { InitProducerIdRequest } from '../../../src/protocol/messages/22-init-producer-id.ts';
import { AddPartitionsToTxnRequest } from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import { AddOffsetsToTxnRequest } from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest } from '../../../src/protocol/messages/26-end-txn.ts';
import { WriteTxnMarkersRequest } from '../../../src/protocol/messages/27-write-txn-markers.ts';
import { TxnOffsetCommitRequest } from '../../../src/protocol/messages/28-txn-offset-commit.ts';
import { DescribeProducersRequest } from '../../../src/protocol/messages/61-describe-producers.ts';
import { DescribeTransactionsRequest } from '../../../src/protocol/messages/65-describe-transactions.ts';
import type { Message } from '../../../src/protocol/schema.ts';
import { BATCH_TIME } from '../raw-batch.ts';
import type { DifferentialCase, Session } from '../session.ts';
import { after, NOBODY, STRANGER_ID, Transactions } from './transactions.ts';

/** Idempotent, and of no transaction. */
const PLAIN = { attributes: 0, transactionalId: null } as const;
/** A segment ends where a record is so much later than its first one. */
const SEGMENT_MS = 3_600_000;
const SEGMENTED = {
  'segment.ms': `${SEGMENT_MS}`,
  'message.timestamp.after.max.ms': `${1_000 * SEGMENT_MS}`,
};
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
/** Of ListOffsets: the record with the largest timestamp. */
const MAX_TIMESTAMP_MIN_VERSION = 7;
/** Of Produce: partitions are added by the first write to them. */
const IMPLICIT_MIN_VERSION = 12;
/** Of TxnOffsetCommit: with a member; the offsets' partition is added by the commit. */
const MEMBER_MIN_VERSION = 3;
const IMPLICIT_OFFSETS_MIN_VERSION = 5;

/** No coordinator of these brokers comes to it. */
const LATER_COORDINATOR = 1_000_000;
/** In which a coordinator writes the markers that it can write. */
const MARKERS_MS = 300;

/** What a client sends in the course of a transaction. */
const TRANSACTION_APIS: readonly Message[] = [
  InitProducerIdRequest,
  ProduceRequest,
  AddPartitionsToTxnRequest,
  AddOffsetsToTxnRequest,
  TxnOffsetCommitRequest,
  EndTxnRequest,
];

/** One case for each API: it goes in all of its versions that know of transactions, the others in a fixed one. */
function aboutEach(
  apis: readonly Message[],
  name: string,
  run: (session: Session, api: Message) => Promise<void>,
): DifferentialCase[] {
  return apis.map(api => ({
    api,
    ...(api === ProduceRequest ? { minVersion: 3 } : {}),
    ...(api === InitProducerIdRequest ? { minVersion: 3, maxVersion: 5 } : {}),
    name,
    run: session => run(session, api),
  }));
}

/** Transactions as logs show them: writes, reads, markers and the offsets of groups. */
export const transactionLogCases: readonly DifferentialCase[] = [
  {
    api: ProduceRequest,
    minVersion: 3,
    name: 'in transactions, good and bad',
    async run(session) {
      const [x, first] = await Transactions.initialised(session, ProduceRequest);
      await x.produce('before it begins', first);
      if (session.version < IMPLICIT_MIN_VERSION) {
        await x.add('begin', first, [0, 1]);
        await x.produce('the first', first);
      }
      await x.produce('the second', first);
      await x.produce('the second again', first, { baseSequence: 3 });
      await x.produce('with a gap', first, { baseSequence: 30 });
      await x.produce('to another partition', first, { partition: 1 });
      await x.produce('of another producer', { ...first, producerId: STRANGER_ID });
      await x.produce('of nobody', first, { transactionalId: session.name('nobody') });
      await x.produce('of no transactional id', first, { transactionalId: null });
      await x.produce('of the empty id', first, { transactionalId: '' });
      await x.produce('not transactional, by the same producer', first, { ...PLAIN, baseSequence: 6 });
      await x.produce('not transactional, with the id', first, { attributes: 0, baseSequence: 6 });
      await x.produce('a control batch', first, { attributes: 0x30, baseSequence: 6 });
      await x.produce('to no partition', first, { partition: 9 });
      await x.describe('begun', [x.id]);
      await x.read('open', 0);
      let p = await x.end('commit', first, true);
      await x.read('committed', 0);
      await x.produce('not transactional when it is over', p, PLAIN);
      await x.produce('when it is over', first);
      await x.describe('when it is over', [x.id]);
      if (session.version < IMPLICIT_MIN_VERSION) await x.add('the next', p, [0]);
      await x.produce('in the next', p);
      await x.produce('of the one before', first);
      p = await x.end('abort', p, false);
      await x.produce('late', first);
      await x.producers('in the end', [0, 1]);
      await x.describe('in the end', [x.id]);
      await x.read('in the end', 0, 9);
    },
  },
  {
    api: ProduceRequest,
    minVersion: 3,
    name: 'of an epoch to come',
    async run(session) {
      const [x, p] = await Transactions.begun(session, ProduceRequest, [0]);
      await x.produce('the first', p);
      await x.produce('of an epoch to come', after(p, 1), { baseSequence: 0 });
      await x.produce('the second', p);
    },
  },
  {
    api: FetchRequest,
    minVersion: 4,
    name: 'of transactions, across segments',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, FetchRequest, SEGMENTED);
      const [y, q] = await x.another('y');
      const [z, r] = await x.another('z');
      let segment = 0;
      const time = () => ({ baseTimestamp: BATCH_TIME + segment * 2 * SEGMENT_MS });
      for (const [each, producer] of [
        [x, p],
        [y, q],
        [z, r],
      ] as const) {
        await each.add(`begin of ${each.id}`, producer, [0]);
        await each.produce(`the first of ${each.id}`, producer, time());
      }
      await x.read('three open', 0, 3, 8, 9, 10);
      await y.end('y aborts', q, false);
      await x.read('y aborted', 0, 3, 6, 9);
      segment++;
      await x.produce('x in the next segment', p, time());
      await y.add('y again', q, [0]);
      await y.produce('y in the next segment', q, time());
      segment++;
      await z.produce('z in the third segment', r, time());
      await x.end('x commits', p, true);
      await x.read('x committed', 0, 3, 9, 10, 13, 16);
      await z.end('z aborts', r, false);
      await x.read('z aborted', 0, 3, 7, 10, 13, 16, 19);
      await y.end('y aborts again', q, false);
      await x.read('all ended', 0, 1, 3, 5, 6, 8, 9, 10, 12, 13, 15, 16, 18, 19, 20, 21, 22, 23, 99);
      await x.fetch('two batches', 1, 3, 0, 250);
      await x.fetch('the next two', 1, 9, 0, 250);
      await x.deleteRecords('the first segment', 10);
      await x.read('without the first segment', 0, 10, 11);
      await x.producers('in the end');
    },
  },
  {
    api: ListOffsetsRequest,
    minVersion: 2,
    name: 'with open transactions',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, ListOffsetsRequest);
      const look = async (step: string) => {
        for (const isolation of [0, 1] as const) {
          const named = `${step}, level ${isolation}`;
          await x.listOffsets(`${named}: latest`, LATEST, isolation);
          await x.listOffsets(`${named}: earliest`, EARLIEST, isolation);
          for (const delta of [0, 1, 2, 3])
            await x.listOffsets(`${named}: at ${delta}`, BATCH_TIME + delta, isolation);
          if (session.version >= MAX_TIMESTAMP_MIN_VERSION)
            await x.listOffsets(`${named}: of the largest timestamp`, MAX_TIMESTAMP, isolation);
        }
      };
      await look('empty');
      await x.produce('not transactional', NOBODY, { ...PLAIN, baseSequence: -1 });
      await look('plain');
      await x.add('begin', p, [0]);
      await x.produce('the first', p, { baseTimestamp: BATCH_TIME + 1 });
      await x.produce('not transactional, behind', NOBODY, {
        ...PLAIN,
        baseSequence: -1,
        baseTimestamp: BATCH_TIME + 2,
      });
      await look('open');
      await x.end('abort', p, false);
      // The marker has a later time than all records: it is each broker's own.
      await x.listOffsets('aborted: latest', LATEST, 0);
      await x.listOffsets('aborted: latest, committed', LATEST, 1);
      await x.listOffsets('aborted: at 1', BATCH_TIME + 1, 1);
      await x.listOffsets('aborted: at 2', BATCH_TIME + 2, 1);
      await x.listOffsets('aborted: at 3', BATCH_TIME + 3, 1);
    },
  },
  {
    api: DeleteRecordsRequest,
    name: 'around an open transaction',
    async run(session) {
      const [x, p] = await Transactions.begun(session, DeleteRecordsRequest, [0]);
      await x.produce('not transactional', NOBODY, { ...PLAIN, baseSequence: -1 });
      await x.produce('the first', p);
      await x.produce('the second', p);
      await x.produce('not transactional, behind', NOBODY, { ...PLAIN, baseSequence: -1 });
      await x.deleteRecords('below it', 2);
      await x.read('below it', 0, 2);
      await x.deleteRecords('inside of it', 7);
      await x.read('inside of it', 3, 7);
      await x.producers('inside of it');
      await x.deleteRecords('behind it', 10);
      await x.read('behind it', 10);
      await x.deleteRecords('all', -1);
      await x.producers('all');
      await x.listOffsets('all: latest, committed', LATEST, 1);
      await x.produce('the third', p);
      await x.end('abort', p, false);
      await x.read('aborted', 0, 12, 15);
      await x.producers('aborted');
      await x.deleteRecords('too much', 99);
    },
  },
  {
    api: WriteTxnMarkersRequest,
    minVersion: 1,
    name: 'twice, and of coordinators that are over',
    async run(session) {
      const x = await Transactions.start(session, WriteTxnMarkersRequest);
      await x.init('init');
      const p = await x.init('init again');
      await x.add('begin', p, [0, 1]);
      await x.produce('the first', p);
      await x.mark('commit', p, { coordinatorEpoch: 5 });
      await x.read('committed', 0);
      await x.mark('commit again', p, { coordinatorEpoch: 5 });
      await x.mark('abort after it', p, { coordinatorEpoch: 5, transactionResult: false });
      await x.mark('of a coordinator before', p, { coordinatorEpoch: 4 });
      await x.mark('of an epoch before', after(p, -1), { coordinatorEpoch: 6 });
      await x.mark('of an epoch below 0', after(p, -2), { coordinatorEpoch: 6 });
      await x.mark('of an epoch far below 0', after(p, -3), { coordinatorEpoch: 6 });
      await x.mark('of the next epoch', after(p, 1), { coordinatorEpoch: 6 });
      await x.produce('of the epoch before', p);
      await x.mark('of a producer that is not there', { ...p, producerId: STRANGER_ID });
      await x.mark('of no partition', p, { topics: [{ name: x.topic, partitionIndexes: [9] }] });
      await x.mark('of no topic', p, {
        topics: [{ name: session.name('none'), partitionIndexes: [0] }],
      });
      await x.mark('of several', after(p, 1), {
        coordinatorEpoch: 6,
        topics: [{ name: x.topic, partitionIndexes: [0, 1, 9] }],
      });
      await x.read('in the end', 0);
      await x.producers('in the end', [0, 1]);
    },
  },
  {
    api: WriteTxnMarkersRequest,
    minVersion: 2,
    name: 'of transaction version 2',
    async run(session) {
      const [x, p] = await Transactions.begun(session, WriteTxnMarkersRequest, [0]);
      await x.produce('the first', p);
      await x.mark('of the same epoch', p, { transactionVersion: 2 });
      await x.mark('of the next epoch', after(p, 1), { transactionVersion: 2 });
      await x.mark('again', after(p, 1), { transactionVersion: 2 });
      await x.mark('of the same epoch, late', p, { transactionVersion: 2 });
      await x.read('in the end', 0);
      await x.producers('in the end');
    },
  },
  {
    api: DescribeProducersRequest,
    name: 'good and bad',
    async run(session) {
      const [x, p] = await Transactions.begun(session, DescribeProducersRequest, [0, 1]);
      await x.producers('nothing yet', [0, 1]);
      await x.produce('the first', p);
      await x.producers('open', [0, 1]);
      await x.produce('the second', p);
      await x.producers('more', [0]);
      await x.end('commit', p, true);
      await x.producers('committed', [0, 1]);
      await x.producers('a partition that is not there', [0, 7]);
      await x.producers('a topic that is not there', [0, 1], session.name('none'));
      await x.producers('a name that is none', [0], 'not/a/topic');
      await x.producers('the empty name', [0], '');
      await x.producers('no partitions', []);
    },
  },
  {
    api: TxnOffsetCommitRequest,
    name: 'in transactions, good and bad',
    async run(session) {
      const [x, first] = await Transactions.initialised(session, TxnOffsetCommitRequest);
      await x.offsets('nothing');
      await x.commitOffset('before it begins', first, 1);
      if (session.version < IMPLICIT_OFFSETS_MIN_VERSION) await x.addOffsets('begin', first);
      await x.commitOffset('the first', first, 2);
      await x.offsets('pending');
      await x.commitOffset('of another epoch', after(first, 1), 3);
      await x.commitOffset('of another producer', { ...first, producerId: STRANGER_ID }, 3);
      await x.commitOffset('of nobody', first, 3, { transactionalId: session.name('nobody') });
      await x.commitOffset('of the empty id', first, 3, { transactionalId: '' });
      await x.commitOffset('of no producer', NOBODY, 3);
      await x.commitOffset('of a producer id below 0', { ...first, producerId: -1 }, 3);
      await x.commitOffset('of a producer id far below 0', { ...first, producerId: -2 }, 3);
      await x.commitOffset('of an epoch below 0', { ...first, producerEpoch: -1 }, 3);
      await x.commitOffset('of no group', first, 3, { groupId: '' });
      if (session.version >= MEMBER_MIN_VERSION) {
        const named = { generationIdOrMemberEpoch: 3, memberId: 'm' };
        await x.commitOffset('of a member that is not there', first, 3, named);
        await x.commitOffset('of a generation', first, 3, { ...named, memberId: '' });
        await x.commitOffset('of an instance', first, 3, { ...named, groupInstanceId: 'i' });
        const other = { groupId: session.name('g2') };
        await x.commitOffset('of a member of no group', first, 3, { ...named, ...other });
        await x.commitOffset('of an instance of no group', first, 3, {
          ...other,
          groupInstanceId: 'i',
          memberId: 'm',
        });
      }
      await x.describe('begun', [x.id]);
      let p = await x.end('commit', first, true);
      await x.offsets('committed');
      await x.commitOffset('when it is over', first, 4);
      await x.describe('when it is over', [x.id]);
      if (session.version < IMPLICIT_OFFSETS_MIN_VERSION) await x.addOffsets('the next', p);
      await x.commitOffset('in the next', p, 5);
      await x.offsets('pending again');
      p = await x.end('abort', p, false);
      await x.offsets('aborted');
      await x.describe('in the end', [x.id]);
    },
  },
  {
    api: OffsetFetchRequest,
    minVersion: 7,
    name: 'with an open transaction',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, OffsetFetchRequest);
      await x.addOffsets('begin', p);
      await x.offsets('nothing');
      await x.commitOffset('first', p, 1);
      await x.offsets('pending');
      await x.end('commit', p, true);
      await x.offsets('committed');
      await x.addOffsets('the next', p);
      await x.commitOffset('second', p, 2);
      await x.offsets('pending again');
      await x.init('over it');
      await x.offsets('aborted');
    },
  },
  ...aboutEach(TRANSACTION_APIS, 'of a producer that another one has fenced', async (session, api) => {
    const [x, p] = await Transactions.begun(session, api, [0]);
    await x.addOffsets('offsets', p);
    await x.produce('the first', p);
    await x.commitOffset('offset', p, 1);
    await x.init('another');
    await x.produce('fenced: produce', p);
    await x.produce('fenced: produce elsewhere', p, { partition: 1 });
    await x.add('fenced: add', p, [1]);
    await x.addOffsets('fenced: add offsets', p);
    await x.commitOffset('fenced: commit offset', p, 2);
    await x.end('fenced: commit', p, true);
    await x.end('fenced: abort', p, false);
    await x.init('fenced: go on', p);
    await x.read('aborted', 0);
    await x.offsets('aborted');
    await x.describe('aborted', [x.id]);
  }),
  ...aboutEach(
    [...TRANSACTION_APIS, DescribeTransactionsRequest],
    'of a transaction that comes to no end',
    async (session, api) => {
      const [x, p] = await Transactions.begun(session, api, [0, 1]);
      await x.produce('the first', p);
      // They take no marker any more of a coordinator with an epoch that is not as high.
      const topics = [{ name: x.topic, partitionIndexes: [0, 1] }];
      await x.mark('of a later coordinator', p, { coordinatorEpoch: LATER_COORDINATOR, topics });
      x.stuck();
      await x.end('commit', p, true);
      await new Promise(resolve => setTimeout(resolve, MARKERS_MS));
      await x.describe('prepared', [x.id]);
      await x.list('prepared: list', { producerIdFilters: [p.producerId] });
      await x.end('prepared: commit', p, true);
      await x.end('prepared: abort', p, false);
      await x.end('prepared: commit of another epoch', after(p, 1), true);
      await x.add('prepared: add', p, [2]);
      await x.add('prepared: add of another epoch', after(p, -1), [2]);
      await x.addOffsets('prepared: add offsets', p);
      await x.produce('prepared: produce', p);
      await x.produce('prepared: produce elsewhere', p, { partition: 2 });
      await x.commitOffset('prepared: commit offset', p, 2);
      await x.init('prepared: init');
      await x.init('prepared: init with id and epoch', p);
      await x.read('prepared', 0);
    },
  ),
  ...aboutEach(TRANSACTION_APIS, 'after a transaction that took too long', async (session, api) => {
    const x = await Transactions.start(session, api);
    const p = await x.init('init', NOBODY, { transactionTimeoutMs: 100 });
    await x.add('begin', p, [0, 1]);
    await x.until('CompleteAbort');
    await x.describe('aborted', [x.id]);
    await x.produce('late: produce', p);
    await x.commitOffset('late: commit offset', p, 1);
    await x.end('late: commit', p, true);
    await x.end('late: abort', p, false);
    await x.describe('late', [x.id]);
    await x.init('late: init with id and epoch', p);
    await x.init('late: init with them again', p);
    await x.init('late: init');
    await x.add('late: add', p, [0]);
    await x.addOffsets('late: add offsets', p);
    await x.read('in the end', 0);
    await x.producers('in the end', [0, 1]);
    await x.describe('in the end', [x.id]);
  }),
  {
    api: DescribeTransactionsRequest,
    name: 'with a part of its markers',
    async run(session) {
      const [x, p] = await Transactions.begun(session, DescribeTransactionsRequest, [0, 1]);
      await x.mark('of a later coordinator', p, { coordinatorEpoch: LATER_COORDINATOR });
      x.stuck();
      await x.end('abort', p, false);
      await new Promise(resolve => setTimeout(resolve, MARKERS_MS));
      await x.describe('prepared', [x.id]);
      await x.list('prepared: list', { producerIdFilters: [p.producerId] });
    },
  },
];
