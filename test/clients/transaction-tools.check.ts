import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTopic } from '../support/cluster-process-admin.ts';
import { targetName } from '../support/broker-target.ts';
import { sortedLines, ToolSide } from '../oracle/tool-side.ts';
import { WireProducer } from '../oracle/wire-producer.ts';

/*
 * kafka-transactions of Apache Kafka 4.3 in all its commands. Each goes to a broker of ours and to one of Apache Kafka,
 * where the same transactions were begun, ended and left, and must have the same exit code and the same output but for
 * producer ids and times.
 */

const TOPIC = 'orders';

/** Long past: a transaction that is open since then hangs, because no timeout is that long. */
const LONG_AGO_MS = Date.now() - 24 * 3_600_000;

/** Columns that differ between any two clusters. */
const COLUMNS: readonly string[] = [
  'ProducerId',
  'LastTimestamp',
  'CurrentTransactionStartTimeMs',
  'TransactionDurationMs',
  'Duration(min)',
];

const sides: ToolSide[] = [];
const producers: WireProducer[] = [];
/** Of each side: the producer whose transaction hangs in partition 2. */
const hanging: WireProducer[] = [];

beforeAll(async () => {
  for (const name of [targetName(), 'apache-kafka-4.3.0'] as const) {
    const side = await ToolSide.startOne(name, {
      // So that a partition can have a transaction that its coordinator does not know.
      'transaction.partition.verification.enable': 'false',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'transaction.state.log.num.partitions': '2',
      'offsets.topic.replication.factor': '1',
    });
    sides.push(side);
    await beginTransactions(side);
  }
});

afterAll(async () => {
  for (const producer of producers) producer.close();
  await Promise.all(sides.map(side => side.close()));
});

async function beginTransactions({ cluster }: ToolSide): Promise<void> {
  await createTopic(cluster, { name: TOPIC, partitions: 4, replicationFactor: 1 });
  const { port } = cluster.node(1).process;
  const open = async (transactionalId: string) => {
    const producer = await WireProducer.open(port, transactionalId);
    producers.push(producer);
    return producer;
  };
  await open('idle');
  const committed = await open('committed');
  await committed.addPartitions(TOPIC, 0);
  await committed.produce(TOPIC, 0);
  await committed.end(true);
  const aborted = await open('aborted');
  await aborted.addPartitions(TOPIC, 0);
  await aborted.produce(TOPIC, 0);
  await aborted.end(false);
  const ongoing = await open('ongoing');
  await ongoing.addPartitions(TOPIC, 0, 1);
  await ongoing.produce(TOPIC, 1);
  const lost = await open('lost');
  await lost.produce(TOPIC, 2, { baseTimestamp: LONG_AGO_MS });
  hanging.push(lost);
}

/** The cells of the columns that differ, as a word; the rows in order, since they come from hash tables. */
function masked(text: string): string {
  const lines = text.split('\n');
  const header = lines.findIndex(line => line.split(' ').includes('ProducerId'));
  const columns = lines[header]?.split(' ') ?? [];
  const rows = lines.map((line, index) => {
    if (header < 0 || index <= header) return line;
    const cells = line.split(' ');
    if (cells.length < columns.length - 1) return line;
    return cells
      .map((cell, at) => (COLUMNS.includes(columns[at] ?? '') && /^\d+$/.test(cell) ? '<number>' : cell))
      .join(' ');
  });
  const out = rows
    .join('\n')
    .replaceAll(/roducerId=\d+/g, 'roducerId=<number>')
    // Of one time limit the tool says the one or the other.
    .replaceAll(/Call\(callName.* timed out .*|Timed out waiting .*/g, '<timed out>');
  return sortedLines(out);
}

/** What is asked of one side. */
type Command = (side: ToolSide, index: number) => readonly string[];

async function outputOf(side: ToolSide, index: number, command: Command): Promise<string> {
  // A topic that is not there is asked for again until the time is over.
  const patience = side.file('client.properties', 'default.api.timeout.ms=4000\nrequest.timeout.ms=3000\n');
  const where = ['--bootstrap-server', side.cluster.bootstrap, '--command-config', patience];
  const args = [...where, ...command(side, index)];
  return masked(await side.output(['TransactionsCommand', ...args]));
}

/** Runs a command on both sides, holds the outputs against each other and theirs against what is expected. */
async function same(command: Command | readonly string[], expected: RegExp): Promise<void> {
  const ask = typeof command === 'function' ? command : () => command;
  const outputs = await Promise.all(sides.map((side, index) => outputOf(side, index, ask)));
  const [ours, theirs] = outputs;
  const named = sides[0]!.named(ask(sides[0]!, 0));
  expect.soft(ours, named).toBe(theirs);
  expect.soft(theirs, named).toMatch(expected);
}

/** Waits until both sides answer with what is expected, and holds the answers against each other. */
async function eventually(command: readonly string[], expected: RegExp): Promise<void> {
  const patience = { timeout: 30_000, interval: 300 };
  await Promise.all(
    sides.map((side, index) =>
      expect.poll(() => outputOf(side, index, () => command), patience).toMatch(expected),
    ),
  );
  await same(command, expected);
}

const SUCCESS = /^exit code 0/m;
const FAILURE = /^exit code 1/m;

describe(`kafka-transactions of Apache Kafka 4.3 says of ${targetName()} what it says of Apache Kafka`, () => {
  test('list', async () => {
    await eventually(['list'], /aborted 1 <number> CompleteAbort\ncommitted 1 <number> CompleteCommit/);
    await same(['list'], /idle 1 <number> Empty\nlost 1 <number> Empty\nongoing 1 <number> Ongoing/);
    await same(['list', '--duration-filter', '-1'], /idle/);
    // An ended transaction counts from its start too, and what never began from the beginning of time.
    await same(
      ['list', '--duration-filter', '1'],
      /aborted.*\ncommitted.*\nexit code 0\nidle.*\nlost.*\nongoing/,
    );
    await same(['list', '--duration-filter', '100000000'], SUCCESS);
    await same(['list', '--transactional-id-pattern', '(on|co).*'], /committed.*\n.*\nongoing/);
    await same(['list', '--transactional-id-pattern', 'go'], SUCCESS);
    await same(['list', '--transactional-id-pattern', '['], FAILURE);
    await same(['list', '--transactional-id-pattern', 'ongoing', '--duration-filter', '0'], /ongoing/);
    await same(['list', '--duration-filter', 'soon'], FAILURE);
  });

  test('describe', async () => {
    const describeOf = (id: string) => ['describe', '--transactional-id', id];
    await same(describeOf('ongoing'), /ongoing <number> 0 Ongoing 60000 <number> <number> orders-0,orders-1/);
    await same(describeOf('committed'), /committed <number> 0 CompleteCommit 60000 <number> <number>/);
    await same(describeOf('aborted'), /aborted <number> 0 CompleteAbort 60000 <number> <number>/);
    await same(describeOf('idle'), /idle <number> 0 Empty 60000 None None/);
    await same(describeOf('nobody'), FAILURE);
    await same(['describe'], FAILURE);
  });

  test('describe-producers', async () => {
    const of = (partition: string, ...more: string[]) => [
      'describe-producers',
      '--topic',
      TOPIC,
      '--partition',
      partition,
      ...more,
    ];
    await same(of('0'), /<number> 0 0 2 <number> None\n<number> 0 0 2 <number> None/);
    await same(of('1'), /<number> 0 -1 2 <number> 0/);
    await same(of('2', '--broker-id', '1'), /<number> 0 -1 2 <number> 0/);
    await same(of('3'), SUCCESS);
    await same(of('9'), FAILURE);
    await same(['describe-producers', '--topic', 'nowhere', '--partition', '0'], FAILURE);
    await same(['describe-producers', '--topic', TOPIC], FAILURE);
  });

  test('find-hanging', async () => {
    const find = (...args: string[]) => ['find-hanging', ...args];
    await same(find('--broker-id', '1'), /orders 2 <number> 0 -1 0 <number> <number>/);
    await same(find('--topic', TOPIC), /orders 2 <number> 0 -1 0/);
    await same(find('--topic', TOPIC, '--partition', '2'), /orders 2 <number> 0 -1 0/);
    await same(find('--topic', TOPIC, '--partition', '1'), SUCCESS);
    await same(find('--topic', TOPIC, '--max-transaction-timeout', '100000'), SUCCESS);
    await same(find('--topic', 'nowhere'), FAILURE);
    await same(find('--partition', '2'), FAILURE);
    await same(find(), FAILURE);
  });

  test('abort', async () => {
    const abort = (partition: string, ...args: string[]) => [
      'abort',
      '--topic',
      TOPIC,
      '--partition',
      partition,
      ...args,
    ];
    await same(abort('2', '--start-offset', '1'), FAILURE);
    await same(abort('9', '--start-offset', '0'), FAILURE);
    await same(abort('2'), FAILURE);
    await same(abort('2', '--producer-id', '1'), FAILURE);
    await same(abort('2', '--start-offset', '0'), SUCCESS);
    await same(['find-hanging', '--topic', TOPIC], SUCCESS);
    await same(['describe-producers', '--topic', TOPIC, '--partition', '2'], /<number> 0 0 2 <number> None/);
    await Promise.all(hanging.map(producer => producer.produce(TOPIC, 3, { baseTimestamp: LONG_AGO_MS })));
    await same(['find-hanging', '--topic', TOPIC], /orders 3 <number> 0 -1 0/);
    await same(
      (_side, index) => [
        ...abort('3', '--producer-id', `${hanging[index]?.producerId}`),
        ...['--producer-epoch', '0', '--coordinator-epoch', '0'],
      ],
      SUCCESS,
    );
    await same(['find-hanging', '--topic', TOPIC], SUCCESS);
  });

  test('forceTerminateTransaction', async () => {
    await same(['forceTerminateTransaction', '--transactionalId', 'ongoing'], SUCCESS);
    await eventually(
      ['describe', '--transactional-id', 'ongoing'],
      /ongoing <number> 2 Empty 3000 None None/,
    );
    await same(['describe-producers', '--topic', TOPIC, '--partition', '1'], /<number> 1 0 -1 <number> None/);
    await same(['forceTerminateTransaction', '--transactionalId', 'idle'], SUCCESS);
    // It gets the id a producer, as every client that asks for one does.
    await same(['forceTerminateTransaction', '--transactionalId', 'nobody'], SUCCESS);
    await same(['forceTerminateTransaction'], FAILURE);
    await same(['list'], /exit code 0/);
  });

  test('anything else', async () => {
    await same(['nothing'], FAILURE);
    await same([], FAILURE);
  });
});
