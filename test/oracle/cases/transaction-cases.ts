import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import { InitProducerIdRequest } from '../../../src/protocol/messages/22-init-producer-id.ts';
import { AddPartitionsToTxnRequest } from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import { AddOffsetsToTxnRequest } from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest } from '../../../src/protocol/messages/26-end-txn.ts';
import { DescribeTransactionsRequest } from '../../../src/protocol/messages/65-describe-transactions.ts';
import { ListTransactionsRequest } from '../../../src/protocol/messages/66-list-transactions.ts';
import type { DifferentialCase } from '../session.ts';
import { after, NOBODY, type Producer, STRANGER_ID, Transactions } from './transactions.ts';

/** The requests of the coordinator. */
export const transactionCases: readonly DifferentialCase[] = [
  {
    api: InitProducerIdRequest,
    maxVersion: 5,
    name: 'with a transactional id',
    async run(session) {
      const x = await Transactions.start(session, InitProducerIdRequest);
      await x.init('first');
      await x.init('second');
      await x.init('no timeout', NOBODY, { transactionTimeoutMs: 0 });
      await x.init('a timeout below 0', NOBODY, { transactionTimeoutMs: -1 });
      await x.init('too long a timeout', NOBODY, { transactionTimeoutMs: 900_001 });
      await x.init('the empty id', NOBODY, { transactionalId: '' });
    },
  },
  {
    api: InitProducerIdRequest,
    minVersion: 3,
    maxVersion: 5,
    name: 'with the producer id and epoch it had',
    async run(session) {
      const x = await Transactions.start(session, InitProducerIdRequest);
      const p = await x.init('first');
      await x.init('with them', p);
      await x.init('with them again', p);
      await x.init('with the next', after(p, 1));
      await x.init('with the first', p);
      await x.init('with one of the future', after(p, 9));
      await x.init('of another producer', { producerId: STRANGER_ID, producerEpoch: 2 });
      await x.init('without epoch', { producerId: p.producerId, producerEpoch: -1 });
      await x.init('without id', { producerId: -1, producerEpoch: 0 });
      await x.init('of an id that is not there', p, { transactionalId: session.name('y') });
    },
  },
  {
    api: InitProducerIdRequest,
    maxVersion: 5,
    name: 'over an open transaction',
    async run(session) {
      const x = await Transactions.start(session, InitProducerIdRequest);
      const p = await x.init('first');
      await x.add('a partition', p, [0]);
      await x.init('over it');
      await x.add('by the one before', p, [1]);
      await x.end('of the one before', p, true);
      await x.describe('afterwards', [x.id]);
      if (session.version >= 3) await x.init('by the one before', p);
    },
  },
  {
    api: AddPartitionsToTxnRequest,
    name: 'good and bad',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, AddPartitionsToTxnRequest);
      await x.add('the first', p, [0, 1]);
      await x.add('again', p, [1]);
      await x.add('more', p, [2]);
      await x.describe('what is there', [x.id]);
      await x.add('one that is not there', p, [0, 3]);
      await x.add('a topic that is not there', p, [0], { topic: '__proto__' });
      await x.add('of another epoch', after(p, 1), [0]);
      await x.add('of another producer', { ...p, producerId: STRANGER_ID }, [0]);
      await x.add('of nobody', p, [0], { id: session.name('nobody') });
      await x.add('of the empty id', p, [0], { id: '' });
      await x.end('end', p, true);
      await x.add('the next transaction', p, [0]);
    },
  },
  {
    api: AddPartitionsToTxnRequest,
    name: 'topics without partitions',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, AddPartitionsToTxnRequest);
      const empty = { name: x.topic, partitions: [] };
      const other = { name: session.name('none'), partitions: [] };
      await x.addTopics('no topic', p, []);
      await x.describe('no topic', [x.id]);
      await x.addTopics('no partition', p, [empty]);
      await x.describe('no partition', [x.id]);
      await x.addTopics('no partition of two topics', p, [empty, other]);
      await x.addTopics('no partition of another epoch', after(p, 1), [empty]);
      await session.createTopic('u');
      const one = { name: session.name('u'), partitions: [0] };
      await x.addTopics('one with, one without', p, [empty, one]);
      await x.addTopics('one with, which is not there, one without', p, [empty, { ...one, partitions: [5] }]);
      await x.describe('in the end', [x.id]);
      if (session.version < 4) return;
      await x.verifyTopics('verified: no partition', p, [empty]);
      await x.verifyTopics('verified: one with, one without', p, [empty, one]);
      await x.verifyTopics('verified: of another epoch', after(p, 1), [empty, one]);
    },
  },
  {
    api: AddPartitionsToTxnRequest,
    minVersion: 4,
    name: 'verification',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, AddPartitionsToTxnRequest);
      await x.verify('before it begins', p, [0]);
      await x.add('two', p, [0, 1]);
      await x.verify('of them and one more', p, [0, 1, 2]);
      await x.verify('of another epoch', after(p, 1), [0]);
      await x.verify('of another producer', { ...p, producerId: STRANGER_ID }, [0]);
      await x.verify('of nobody', p, [0], session.name('nobody'));
      await x.verify('of the empty id', p, [0], '');
      await x.verify('of one that is not there', p, [0, 7]);
      await x.end('end', p, false);
      await x.verify('when it is over', p, [0]);
    },
  },
  {
    api: AddOffsetsToTxnRequest,
    name: 'good and bad',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, AddOffsetsToTxnRequest);
      await x.addOffsets('the first', p);
      await x.addOffsets('again', p);
      await x.addOffsets('of another epoch', after(p, 1));
      await x.addOffsets('of another producer', { ...p, producerId: STRANGER_ID });
      await x.addOffsets('of nobody', p, session.name('nobody'));
      await x.addOffsets('of the empty id', p, '');
    },
  },
  {
    api: EndTxnRequest,
    maxVersion: 4,
    name: 'in every state',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, EndTxnRequest);
      for (const committed of [true, false]) await x.end(`empty: ${committed}`, p, committed);
      for (const first of [true, false]) {
        await x.add(`before ${first}`, p, [0]);
        await x.end(`${first} of another epoch`, after(p, 1), first);
        await x.end(`${first} of an epoch below 0`, after(p, -2), first);
        await x.end(`${first} of another producer`, { ...p, producerId: STRANGER_ID }, first);
        await x.end(`${first} of nobody`, p, first, session.name('nobody'));
        await x.end(`${first} of the empty id`, p, first, '');
        await x.end(`${first}`, p, first);
        await x.end(`${first} again`, p, first);
        await x.end(`${!first} after ${first}`, p, !first);
        await x.describe(`after ${first}`, [x.id]);
      }
    },
  },
  {
    api: EndTxnRequest,
    minVersion: 5,
    name: 'in every state, by epochs',
    async run(session) {
      const [x, first] = await Transactions.initialised(session, EndTxnRequest);
      let p: Producer = first;
      await x.end('commit of nothing', p, true);
      await x.end('abort of nothing', p, false);
      await x.end('abort of nothing again', p, false);
      await x.end('commit of it', p, true);
      p = after(p, 1);
      for (const first of [true, false]) {
        await x.add(`before ${first}`, p, [0, 2]);
        await x.end(`${first} of the next epoch`, after(p, 1), first);
        await x.end(`${first} of the epoch before`, after(p, -1), first);
        await x.end(`${first} of another producer`, { ...p, producerId: STRANGER_ID }, first);
        await x.end(`${first} of nobody`, p, first, session.name('nobody'));
        await x.end(`${first} of the empty id`, p, first, '');
        await x.end(`${first}`, p, first);
        await x.end(`${first} again`, p, first);
        await x.end(`${!first} after ${first}`, p, !first);
        await x.describe(`after ${first}`, [x.id]);
        await x.add(`by the epoch of ${first}`, p, [0]);
        p = after(p, 1);
        await x.end(`commit of nothing after ${first}`, p, true);
        await x.end(`abort of nothing after ${first}`, p, false);
        await x.end(`an epoch of long ago after ${first}`, after(p, -1), true);
        await x.end(`an epoch of the future after ${first}`, after(p, 5), false);
        await x.describe(`in the end of ${first}`, [x.id]);
        p = after(p, 1);
      }
    },
  },
  {
    api: EndTxnRequest,
    minVersion: 5,
    name: 'where an older client has taken the id over',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, EndTxnRequest);
      const older = x.olderClient();
      for (const committed of [true, false]) {
        const next = await older.init(`the older one before ${committed}`);
        await older.add(`begins before ${committed}`, next, [0]);
        await older.end(`${committed}`, next, committed);
        await x.end(`${committed} of the epoch before`, after(next, -1), committed);
        await x.end(`${!committed} of the epoch before`, after(next, -1), !committed);
        await x.describe(`after ${committed}`, [x.id]);
      }
      await x.end('the first epoch', p, false);
    },
  },
  {
    api: DescribeTransactionsRequest,
    name: 'in several states',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, DescribeTransactionsRequest);
      await x.describe('empty', [x.id, session.name('nobody'), '']);
      await x.add('two', p, [1, 0]);
      await x.describe('ongoing', [x.id]);
      await x.end('commit', p, true);
      await x.describe('complete', [x.id, x.id]);
    },
  },
  {
    api: ListTransactionsRequest,
    name: 'by filters',
    async run(session) {
      const [x, p] = await Transactions.initialised(session, ListTransactionsRequest);
      const own = { producerIdFilters: [p.producerId] };
      await x.list('empty', own);
      await x.add('one', p, [1]);
      await x.list('ongoing', own);
      await x.list('ongoing by its state', { ...own, stateFilters: ['Ongoing'] });
      await x.list('by another state', { ...own, stateFilters: ['Empty', 'Dead', 'PrepareEpochFence'] });
      await x.list('by states that are none', { ...own, stateFilters: ['ongoing', 'Nothing'] });
      await x.list('by a producer that is not there', { producerIdFilters: [STRANGER_ID] });
      if (session.version >= 1) {
        await x.list('open for long', { ...own, durationFilter: 1_000_000 });
        await x.list('open for any time', { ...own, durationFilter: -1 });
        await x.init('another', NOBODY, { transactionalId: session.name('z') });
      }
      if (session.version < 2) return;
      for (const pattern of ['', '.*', '.*-x', 'x', `${session.name('')}[x-z]`, '(', '(a)\\1', '(?=a)']) {
        await x.list(`by the pattern ${pattern}`, { ...own, transactionalIdPattern: pattern });
      }
      await x.list('of two', { transactionalIdPattern: `${session.name('')}.*` });
      for (const [kind, pattern] of Object.entries({
        'of some length': `${'x?'.repeat(100)}.*`,
        'that is long': `${'x?'.repeat(200)}.*`,
        'that repeats much': '((((.{1,10}){1,10}){1,10})?.*)?',
      }))
        await x.list(`by a pattern ${kind}`, { ...own, transactionalIdPattern: pattern });
    },
  },
  {
    api: FindCoordinatorRequest,
    minVersion: 1,
    name: 'of a transactional id',
    async run(session) {
      await Transactions.start(session, FindCoordinatorRequest);
      const keys = [session.name('x'), ''];
      const bodies =
        session.version < 4
          ? keys.map(key => ({ key, keyType: 1 }))
          : [{ coordinatorKeys: keys, keyType: 1 }];
      for (const [at, body] of bodies.entries()) {
        await session.send(`found ${at}`, FindCoordinatorRequest, FindCoordinatorResponse, body);
      }
    },
  },
];
