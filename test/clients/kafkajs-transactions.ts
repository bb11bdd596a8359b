import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka, Transaction } from 'kafkajs';
import { expect } from 'vitest';

const SOURCE = 'kafkajs-transactions';
const COPY = 'kafkajs-copies';
const GROUP = 'kafkajs-transactions-group';
const PARTITIONS = 6;
const RECORDS = 100;
const PATIENCE_MS = 60_000;

interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/**
 * kafkajs's transactions: four of 100 records, committed and aborted alternately, with a crash of the broker in the
 * middle of the last two; what is committed is copied with the group's offsets in the same transactions, with one
 * abort; a producer is fenced. Everything is read at both isolation levels.
 */
export async function checkKafkajs(kafka: Kafka, crash: () => Promise<void>): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const topics = [SOURCE, COPY].map(topic => ({ topic, numPartitions: PARTITIONS }));
    await admin.createTopics({ topics, waitForLeaders: true });
    await write(kafka, crash);
    const committed = await readToTheEnd(kafka, SOURCE, true);
    const kept = [0, 2].flatMap(n => values(`write-${n}`, RECORDS));
    expect(sortedValues(committed)).toEqual(kept.sort());
    await transform(kafka, committed.length);
    const [fetched] = await admin.fetchOffsets({ groupId: GROUP, topics: [SOURCE] });
    for (const { partition, offset } of fetched?.partitions ?? []) {
      const last = committed.filter(record => record.partition === partition).at(-1);
      expect(Number(offset), `the group's offset of partition ${partition}`).toBe((last?.offset ?? 0) + 1);
    }
    await expectCopies(kafka, committed);
    await fence(kafka);
    const all = await readToTheEnd(kafka, SOURCE, false);
    const aborted = [1, 3].flatMap(n => values(`write-${n}`, RECORDS));
    const fenced = [...values('fenced', PARTITIONS), ...values('fencing', PARTITIONS)];
    expect(sortedValues(all)).toEqual([...kept, ...aborted, ...fenced].sort());
    const visible = [...kept, ...values('fencing', PARTITIONS)].sort();
    expect(sortedValues(await readToTheEnd(kafka, SOURCE, true))).toEqual(visible);
  } finally {
    await admin.disconnect();
  }
}

function values(label: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${label}-${i}`);
}

/** The values of the records but for those that have ended a reading, sorted. */
function sortedValues(records: readonly ReadRecord[]): string[] {
  return withoutEnds(records)
    .map(({ value }) => value)
    .sort();
}

const withoutEnds = (records: readonly ReadRecord[]) =>
  records.filter(({ value }) => !value.startsWith('end-'));

async function producerOf(kafka: Kafka, transactionalId: string) {
  const producer = kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  return producer;
}

async function send(transaction: Transaction, label: string, from: number, to: number): Promise<void> {
  const messages = values(label, to)
    .slice(from)
    .map((value, i) => ({ value, partition: (from + i) % PARTITIONS }));
  await transaction.send({ topic: SOURCE, messages, acks: -1 });
}

async function write(kafka: Kafka, crash: () => Promise<void>): Promise<void> {
  const producer = await producerOf(kafka, 'kafkajs-writer');
  for (let n = 0; n < 4; n++) {
    const transaction = await producer.transaction();
    await send(transaction, `write-${n}`, 0, RECORDS / 2);
    if (n >= 2) await crash();
    await send(transaction, `write-${n}`, RECORDS / 2, RECORDS);
    await (n % 2 === 0 ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();
}

/** Copies `count` records batch by batch; the second transaction is aborted and its batch read again. */
async function transform(kafka: Kafka, count: number): Promise<void> {
  const producer = await producerOf(kafka, 'kafkajs-transformer');
  const consumer = kafka.consumer({ groupId: GROUP, maxWaitTimeInMs: 300, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topics: [SOURCE], fromBeginning: true });
  let copied = 0;
  let turn = 0;
  await untilDone(consumer, async (done, failed) => {
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: 1,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch: { partition, messages, topic }, resolveOffset }) => {
        if (copied === count) return;
        try {
          const commit = turn++ !== 1;
          const label = commit ? 'kept' : 'dropped';
          const transaction = await producer.transaction();
          const copies = messages
            .filter(({ value }) => value?.toString().startsWith('end-') === false)
            .map(({ value }) => ({ value: `${label}-${value}`, partition }));
          await transaction.send({ topic: COPY, messages: copies, acks: -1 });
          const last = messages.at(-1)?.offset ?? '0';
          const offset = `${Number(last) + 1}`;
          const topics = [{ topic, partitions: [{ partition, offset }] }];
          await transaction.sendOffsets({ consumerGroupId: GROUP, topics });
          await (commit ? transaction.commit() : transaction.abort());
          // What is not resolved is read again.
          if (!commit) return;
          resolveOffset(last);
          copied += messages.length;
          if (copied === count) done();
        } catch (error) {
          failed(error);
        }
      },
    });
  });
  await producer.disconnect();
}

/** Runs a consumer until its handler says that it is done, and disconnects it. */
async function untilDone(
  consumer: Consumer,
  run: (done: () => void, failed: (error: unknown) => void) => Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the consumer does not get to its end')), PATIENCE_MS);
    const finish = (end: () => void) => {
      clearTimeout(timer);
      end();
    };
    const failed = (error: unknown) => finish(() => reject(error));
    run(() => finish(resolve), failed).catch(failed);
  });
  await consumer.disconnect();
}

async function expectCopies(kafka: Kafka, source: readonly ReadRecord[]): Promise<void> {
  const copies = await readToTheEnd(kafka, COPY, true);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const ofPartition = (records: readonly ReadRecord[]) =>
      withoutEnds(records)
        .filter(record => record.partition === partition)
        .map(({ value }) => value);
    expect(ofPartition(copies)).toEqual(ofPartition(source).map(value => `kept-${value}`));
  }
  const all = await readToTheEnd(kafka, COPY, false);
  expect(all.some(({ value }) => value.startsWith('dropped-'))).toBe(true);
}

async function fence(kafka: Kafka): Promise<void> {
  const first = await producerOf(kafka, 'kafkajs-fenced');
  const stale = await first.transaction();
  await send(stale, 'fenced', 0, PARTITIONS);
  const second = await producerOf(kafka, 'kafkajs-fenced');
  const transaction = await second.transaction();
  await send(transaction, 'fencing', 0, PARTITIONS);
  await transaction.commit();
  await expect(stale.commit()).rejects.toMatchObject({ type: 'INVALID_PRODUCER_EPOCH' });
  await first.disconnect();
  await second.disconnect();
}

/**
 * Every record that a reader of the isolation level gets. A transaction that is written to every partition first, with
 * values "end-", ends the reading: nothing of a partition before its record can come later.
 */
async function readToTheEnd(kafka: Kafka, topic: string, committedOnly: boolean): Promise<ReadRecord[]> {
  const end = `end-${randomUUID()}`;
  const producer = await producerOf(kafka, 'kafkajs-ender');
  const transaction = await producer.transaction();
  const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({ value: end, partition }));
  await transaction.send({ topic, messages, acks: -1 });
  await transaction.commit();
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: end, maxWaitTimeInMs: 300, readUncommitted: !committedOnly });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const records: ReadRecord[] = [];
  let ended = 0;
  await untilDone(consumer, async done => {
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        const value = message.value?.toString() ?? '';
        if (value === end && ++ended === PARTITIONS) done();
        records.push({ partition, offset: Number(message.offset), value });
      },
    });
  });
  return records;
}
