import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../../src/protocol/messages/26-end-txn.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../../src/protocol/messages/65-describe-transactions.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../../src/protocol/messages/66-list-transactions.ts';
import type { Infer, Input, Message } from '../../../src/protocol/schema.ts';
import type { DifferentialCase, Session } from '../session.ts';

/** The versions by which a case prepares a transaction before it asks what it is about. */
const VERSIONS = new Map<Message, number>([
  [InitProducerIdRequest, 4],
  [AddPartitionsToTxnRequest, 3],
  [EndTxnRequest, 4],
]);

/** LOAD_IN_PROGRESS, NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS: to be asked again. */
const AGAIN: ReadonlySet<number> = new Set([14, 15, 16, 51]);

interface Producer {
  readonly producerId: number | bigint;
  readonly producerEpoch: number;
}

const NOBODY: Producer = { producerId: -1, producerEpoch: -1 };

/** A transactional id for one case: the API under test goes at the case's version, all others at a fixed one. */
class Transactions {
  readonly session: Session;
  readonly id: string;
  readonly topic: string;
  private readonly api: Message;

  private constructor(session: Session, api: Message) {
    this.session = session;
    this.api = api;
    this.id = session.name('x');
    this.topic = session.name('t');
  }

  static async start(session: Session, api: Message): Promise<Transactions> {
    const self = new Transactions(session, api);
    await session.createTopic('t', 3);
    await self.ask(FindCoordinatorRequest, FindCoordinatorResponse, { key: self.id, keyType: 1 }, 2);
    return self;
  }

  /** Asks until the answer is one that stays, and keeps only that. */
  private async ask<Q extends Message, R extends Message>(
    request: Q,
    response: R,
    body: Input<Q>,
    version = this.api === request ? this.session.version : (VERSIONS.get(request) ?? 0),
  ): Promise<Infer<R>> {
    const client = this.session.first ?? (await this.session.connect());
    for (let attempt = 0; ; attempt++) {
      const answer = await client.send(request, response, version, body);
      if (attempt === 200 || !codesOf(answer).some(code => AGAIN.has(code))) return answer;
      await new Promise(resolve => setTimeout(resolve, 25));
    }
  }

  private async kept<Q extends Message, R extends Message>(
    step: string,
    request: Q,
    response: R,
    body: Input<Q>,
  ): Promise<Infer<R>> {
    const answer = await this.ask(request, response, body);
    this.session.keep(step, answer);
    return answer;
  }

  async init(step: string, producer = NOBODY, extra: Partial<Input<typeof InitProducerIdRequest>> = {}) {
    const body = { transactionalId: this.id, transactionTimeoutMs: 60_000, ...producer, ...extra };
    return this.kept(step, InitProducerIdRequest, InitProducerIdResponse, body);
  }

  async add(
    step: string,
    producer: Producer,
    partitions: number[],
    { id = this.id, topic = this.topic } = {},
  ) {
    const version = this.api === AddPartitionsToTxnRequest ? this.session.version : 3;
    const topics = [{ name: topic, partitions }];
    const body =
      version < 4
        ? {
            v3AndBelowTransactionalId: id,
            v3AndBelowProducerId: producer.producerId,
            v3AndBelowProducerEpoch: producer.producerEpoch,
            v3AndBelowTopics: topics,
          }
        : { transactions: [{ transactionalId: id, ...producer, verifyOnly: false, topics }] };
    return this.kept(step, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, body);
  }

  async verify(step: string, producer: Producer, partitions: number[], id = this.id) {
    const topics = [{ name: this.topic, partitions }];
    return this.kept(step, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, {
      transactions: [{ transactionalId: id, ...producer, verifyOnly: true, topics }],
    });
  }

  async addOffsets(step: string, producer: Producer, id = this.id) {
    const body = { transactionalId: id, ...producer, groupId: this.session.name('g') };
    return this.kept(step, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, body);
  }

  async end(step: string, producer: Producer, committed: boolean, id = this.id) {
    return this.kept(step, EndTxnRequest, EndTxnResponse, { transactionalId: id, ...producer, committed });
  }

  async describe(step: string, transactionalIds: string[]) {
    const describe = () =>
      this.ask(DescribeTransactionsRequest, DescribeTransactionsResponse, { transactionalIds });
    let answer = await describe();
    // How long a transaction takes to end is each broker's own.
    while (answer.transactionStates.some(each => each.transactionState.startsWith('Prepare')))
      answer = await describe();
    // Apache Kafka lists partitions in the order of their hashes, which is another one each time.
    for (const { topics } of answer.transactionStates)
      for (const { partitions } of topics) partitions.sort((a, b) => a - b);
    this.session.keep(step, answer);
    return answer;
  }

  async list(step: string, body: Input<typeof ListTransactionsRequest>) {
    return this.kept(step, ListTransactionsRequest, ListTransactionsResponse, body);
  }
}

/** Every error code in an answer. */
function codesOf(value: unknown): number[] {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    /errorCode$/i.test(name) && typeof item === 'number' ? [item] : codesOf(item),
  );
}

function after({ producerId, producerEpoch }: Producer, bumps: number): Producer {
  return { producerId, producerEpoch: producerEpoch + bumps };
}

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
      await x.init('of another producer', { producerId: 1_000_000_000, producerEpoch: 2 });
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
      const x = await Transactions.start(session, AddPartitionsToTxnRequest);
      const p = await x.init('init');
      await x.add('the first', p, [0, 1]);
      await x.add('again', p, [1]);
      await x.add('more', p, [2]);
      await x.describe('what is there', [x.id]);
      await x.add('one that is not there', p, [0, 3]);
      await x.add('a topic that is not there', p, [0], { topic: '__proto__' });
      await x.add('of another epoch', after(p, 1), [0]);
      await x.add('of another producer', { ...p, producerId: 1_000_000_000 }, [0]);
      await x.add('of nobody', p, [0], { id: session.name('nobody') });
      await x.add('of the empty id', p, [0], { id: '' });
      await x.end('end', p, true);
      await x.add('the next transaction', p, [0]);
    },
  },
  {
    api: AddPartitionsToTxnRequest,
    minVersion: 4,
    name: 'verification',
    async run(session) {
      const x = await Transactions.start(session, AddPartitionsToTxnRequest);
      const p = await x.init('init');
      await x.verify('before it begins', p, [0]);
      await x.add('two', p, [0, 1]);
      await x.verify('of them and one more', p, [0, 1, 2]);
      await x.verify('of another epoch', after(p, 1), [0]);
      await x.verify('of another producer', { ...p, producerId: 1_000_000_000 }, [0]);
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
      const x = await Transactions.start(session, AddOffsetsToTxnRequest);
      const p = await x.init('init');
      await x.addOffsets('the first', p);
      await x.addOffsets('again', p);
      await x.addOffsets('of another epoch', after(p, 1));
      await x.addOffsets('of another producer', { ...p, producerId: 1_000_000_000 });
      await x.addOffsets('of nobody', p, session.name('nobody'));
      await x.addOffsets('of the empty id', p, '');
    },
  },
  {
    api: EndTxnRequest,
    maxVersion: 4,
    name: 'in every state',
    async run(session) {
      const x = await Transactions.start(session, EndTxnRequest);
      const p = await x.init('init');
      for (const committed of [true, false]) await x.end(`empty: ${committed}`, p, committed);
      for (const first of [true, false]) {
        await x.add(`before ${first}`, p, [0]);
        await x.end(`${first} of another epoch`, after(p, 1), first);
        await x.end(`${first} of an epoch below 0`, after(p, -2), first);
        await x.end(`${first} of another producer`, { ...p, producerId: 1_000_000_000 }, first);
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
      const x = await Transactions.start(session, EndTxnRequest);
      let p: Producer = await x.init('init');
      await x.end('commit of nothing', p, true);
      await x.end('abort of nothing', p, false);
      await x.end('abort of nothing again', p, false);
      await x.end('commit of it', p, true);
      p = after(p, 1);
      for (const first of [true, false]) {
        await x.add(`before ${first}`, p, [0, 2]);
        await x.end(`${first} of the next epoch`, after(p, 1), first);
        await x.end(`${first} of the epoch before`, after(p, -1), first);
        await x.end(`${first} of another producer`, { ...p, producerId: 1_000_000_000 }, first);
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
    api: DescribeTransactionsRequest,
    name: 'in several states',
    async run(session) {
      const x = await Transactions.start(session, DescribeTransactionsRequest);
      const p = await x.init('init');
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
      const x = await Transactions.start(session, ListTransactionsRequest);
      const p = await x.init('init');
      const own = { producerIdFilters: [p.producerId] };
      await x.list('empty', own);
      await x.add('one', p, [1]);
      await x.list('ongoing', own);
      await x.list('ongoing by its state', { ...own, stateFilters: ['Ongoing'] });
      await x.list('by another state', { ...own, stateFilters: ['Empty', 'Dead', 'PrepareEpochFence'] });
      await x.list('by states that are none', { ...own, stateFilters: ['ongoing', 'Nothing'] });
      await x.list('by a producer that is not there', { producerIdFilters: [1_000_000_000] });
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
