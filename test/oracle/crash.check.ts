import { afterAll, describe, expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopic } from '../clients/records.ts';
import { type StartedTarget, startTarget, targetName } from '../support/broker-target.ts';
import { compileJava, JAVA_FLAGS } from '../support/client-tools.ts';
import { startCommand } from '../support/run-command.ts';
import { clientOf } from './fill-broker.ts';

const PARTITIONS = 3;
/** Apache Kafka starts slowly; a few rounds prove the check. `KILLS` overrides. */
const KILLS = Number(process.env['KILLS'] ?? (targetName() === 'odradek' ? 20 : 3));

/** Pseudo-random pauses from a fixed seed: the same schedule in every run. */
function* pauses(): Generator<number, never> {
  let state = 12345;
  for (;;) {
    state = (state * 1103515245 + 12345) % 2147483648;
    yield 150 + (state % 700);
  }
}

interface Acknowledgement {
  readonly partition: number;
  readonly offset: number;
  readonly number: number;
}

const started: StartedTarget[] = [];

afterAll(async () => {
  for (const target of started) await target.dispose();
});

/** Kills and restarts the broker again and again, each time in the middle of the load. */
async function killRepeatedly(target: StartedTarget, progress: () => number): Promise<void> {
  const pause = pauses();
  for (let kill = 0; kill < KILLS; kill++) {
    const before = progress();
    const deadline = performance.now() + 30_000;
    while (progress() === before && performance.now() < deadline) await sleep(5);
    expect(progress(), `acknowledgements before kill ${kill}`).toBeGreaterThan(before);
    await sleep(pause.next().value);
    await target.broker.kill();
    await target.broker.start();
  }
}

/** The numbers of each partition in offset order, read from the start. */
async function readNumbers(target: StartedTarget, topic: string): Promise<number[][]> {
  const kafka = clientOf(target.broker);
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map<number, number>();
  for (const { partition, high } of await admin.fetchTopicOffsets(topic)) ends.set(partition, Number(high));
  await admin.disconnect();
  const total = [...ends.values()].reduce((sum, end) => sum + end, 0);
  const numbers: number[][] = Array.from({ length: PARTITIONS }, () => []);
  const consumer = kafka.consumer({ groupId: `reader-of-${topic}`, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  let read = 0;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`read ${read} of ${total} records`)), 90_000);
    consumer
      .run({
        eachBatch: async ({ batch, resolveOffset }) => {
          for (const message of batch.messages) {
            const list = numbers[batch.partition] ?? [];
            if (Number(message.offset) !== list.length) {
              reject(new Error(`offset ${message.offset} where ${list.length} was due`));
            }
            list.push(Number(message.value?.toString()));
            read++;
          }
          resolveOffset(batch.lastOffset());
          if (read < total) return;
          clearTimeout(timer);
          resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return numbers;
}

function expectNothingMissing(numbers: readonly number[][], acked: readonly Acknowledgement[]): void {
  const wrong = acked.filter(({ partition, offset, number }) => numbers[partition]?.[offset] !== number);
  expect(wrong.slice(0, 10), `acknowledged records not at their offset (${wrong.length})`).toEqual([]);
}

function duplicatesIn(numbers: readonly number[]): number[] {
  const seen = new Set<number>();
  return numbers.filter(number => seen.size === seen.add(number).size);
}

function outOfOrder(numbers: readonly number[]): number[] {
  return numbers.filter((number, index) => index > 0 && number < (numbers[index - 1] ?? 0));
}

describe(`kill -9 in the middle of a producer, ${KILLS} times`, () => {
  test('an idempotent Java producer loses nothing, doubles nothing and keeps the order', {
    timeout: 400_000,
  }, async () => {
    const target = await startTarget('crash-java');
    started.push(target);
    await createTopic(target.broker.bootstrap, 'crash', PARTITIONS);
    const classPath = await compileJava('acked-producer', '4.3.0');
    const acked: Acknowledgement[] = [];
    let sent = 0;
    const args = [
      ...JAVA_FLAGS,
      '-cp',
      classPath,
      'Main',
      target.broker.bootstrap,
      'crash',
      `${PARTITIONS}`,
      '5000',
    ];
    const producer = startCommand('java', [...args, 'enable.idempotence=true'], {
      timeoutMs: 380_000,
      keepInputOpen: true,
      onLine: line => {
        const [kind, first, second, third] = line.split('\t');
        if (kind === 'acked')
          acked.push({ partition: Number(first), offset: Number(second), number: Number(third) });
        if (kind === 'sent') sent = Number(first);
      },
    });
    await killRepeatedly(target, () => acked.length);
    producer.child.stdin?.end();
    await producer.result;
    expect(acked).toHaveLength(sent);
    const numbers = await readNumbers(target, 'crash');
    expectNothingMissing(numbers, acked);
    for (const list of numbers) {
      expect(duplicatesIn(list)).toEqual([]);
      expect(outOfOrder(list)).toEqual([]);
    }
    expect(numbers.reduce((sum, list) => sum + list.length, 0)).toBe(sent);
  });

  test('a kafkajs producer loses nothing that was acknowledged', { timeout: 400_000 }, async () => {
    const target = await startTarget('crash-kafkajs');
    started.push(target);
    await createTopic(target.broker.bootstrap, 'crash', PARTITIONS);
    const producer = clientOf(target.broker).producer({ maxInFlightRequests: 1 });
    await producer.connect();
    const acked: Acknowledgement[] = [];
    let stopped = false;
    const load = (async () => {
      for (let number = 0; !stopped; number += 10) {
        const partition = (number / 10) % PARTITIONS;
        const batch = Array.from({ length: 10 }, (_, i) => number + i);
        const messages = batch.map(value => ({ value: `${value}`, partition }));
        try {
          const [answer] = await producer.send({ topic: 'crash', messages, acks: -1 });
          const base = Number(answer?.baseOffset);
          for (const [index, value] of batch.entries()) {
            acked.push({ partition, offset: base + index, number: value });
          }
        } catch {
          // Not acknowledged within kafkajs's own retries: it may be there or not, and nobody was told.
          await sleep(20);
        }
      }
    })();
    await killRepeatedly(target, () => acked.length);
    stopped = true;
    await load;
    await producer.disconnect();
    const numbers = await readNumbers(target, 'crash');
    expectNothingMissing(numbers, acked);
  });
});
