import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { targetName } from '../support/broker-target.ts';
import { produceBatches, sortedJson, sortedLines, ToolSide } from './tool-side.ts';

/*
 * The tools of Apache Kafka 4.3 that are about what a broker stores: offsets, the deletion of records, log directories,
 * more partitions. Every command goes to a broker of ours and to one of Apache Kafka, with two log directories each, and
 * must have the same exit code and the same output; what is normalised is in `test/oracle/tool-side.ts`.
 */

type Arguments = readonly string[];

interface Options {
  /** Both outputs must match it: two brokers may be alike in being wrong. */
  readonly expected?: RegExp;
  readonly normalise?: (text: string) => string;
}

const START_MS = 1_700_000_000_000;
const sides: ToolSide[] = [];

beforeAll(async () => {
  for (const name of [targetName(), 'apache-kafka-4.3.0'] as const) sides.push(await ToolSide.startOne(name));
});

afterAll(async () => {
  await Promise.all(sides.map(side => side.close()));
});

/** The name of a tool with what it is asked of a side. */
type Command = (side: ToolSide) => Arguments;

function outputOf(side: ToolSide, command: Command): Promise<string> {
  const [name = '', ...args] = command(side);
  return side.output([name, '--bootstrap-server', side.cluster.bootstrap, ...args]);
}

/** Runs a command on both sides and holds the outputs against each other. Returns ours. */
async function same(command: Command, options: Options = {}): Promise<string> {
  const { expected, normalise = text => text } = options;
  const outputs = await Promise.all(sides.map(side => outputOf(side, command)));
  const [ours = '', theirs = ''] = outputs.map(normalise);
  const named = sides[0]!.named(command(sides[0]!));
  expect.soft(ours, named).toBe(theirs);
  if (expected !== undefined) expect.soft(theirs, named).toMatch(expected);
  return ours;
}

const topics = (args: Arguments, options?: Options): Promise<string> =>
  same(() => ['TopicCommand', ...args], options);

const getOffsets = (args: Arguments, options?: Options): Promise<string> =>
  same(() => ['GetOffsetShell', ...args], options);

/** `contents` is JSON, or what somebody took for it. */
const deleteRecords = (contents: string, options: Options = {}): Promise<string> =>
  same(side => ['DeleteRecordsCommand', '--offset-json-file', side.file('offsets.json', contents)], {
    normalise: sortedLines,
    ...options,
  });

const upTo = (...offsets: (readonly [topic: string, partition: number, offset: number])[]): string =>
  JSON.stringify({
    version: 1,
    partitions: offsets.map(([topic, partition, offset]) => ({ topic, partition, offset })),
  });

const logDirs = (args: Arguments, options?: Options): Promise<string> =>
  same(() => ['LogDirsCommand', '--describe', ...args], {
    normalise: text => text.replaceAll(/^\{.*$/gm, json => sortedJson(json)),
    ...options,
  });

/** Moves replicas of broker 1 to the directories that `where` gives for partitions 0, 1, ... */
const moving =
  (topic: string, where: (side: ToolSide) => Arguments, args: Arguments): Command =>
  side => {
    const partitions = where(side).map((directory, partition) => ({
      topic,
      partition,
      replicas: [1],
      log_dirs: [directory],
    }));
    const file = side.file('move.json', JSON.stringify({ version: 1, partitions }));
    return ['reassign.ReassignPartitionsCommand', '--reassignment-json-file', file, ...args];
  };

const reassign = (
  topic: string,
  where: (side: ToolSide) => Arguments,
  args: Arguments,
  options?: Options,
): Promise<string> => same(moving(topic, where, args), options);

const produce = async (topic: string, partition: number, batches: number, size: number): Promise<void> => {
  await Promise.all(sides.map(({ cluster }) => produceBatches(cluster, topic, partition, batches, size)));
};

/** Waits until both sides say of themselves that the moves are done, and holds what they say against each other. */
async function untilMoved(topic: string, where: (side: ToolSide) => Arguments): Promise<void> {
  const verify = moving(topic, where, ['--verify']);
  const patience = { timeout: 60_000, interval: 500 };
  await Promise.all(
    sides.map(side =>
      expect.poll(() => outputOf(side, verify), patience).not.toMatch(/is still in progress/),
    ),
  );
  await reassign(topic, where, ['--verify'], { expected: new RegExp(`replica ${topic}-0-1 completed`) });
}

describe(`the data tools of Apache Kafka 4.3 say of ${targetName()} what they say of Apache Kafka`, () => {
  test('kafka-topics adds partitions, and is refused what cannot be', async () => {
    const create = (name: string, ...args: string[]) => topics(['--create', '--topic', name, ...args]);
    await create('orders', '--partitions', '3');
    await create('order-lines', '--partitions', '2');
    await create('moving', '--partitions', '2');
    await create('growing', '--partitions', '2');
    const alter = (...args: string[]): string[] => ['--alter', '--topic', ...args];
    await topics(alter('growing', '--partitions', '3'), { expected: /^exit code 0/ });
    await topics(alter('growing', '--partitions', '5', '--replica-assignment', '1,1,1,1,1'), {
      expected: /^exit code 0/,
    });
    await topics(['--describe', '--topic', 'growing'], { expected: /PartitionCount: 5/ });
    for (const wrong of [
      alter('growing', '--partitions', '5'),
      alter('growing', '--partitions', '1'),
      alter('growing', '--partitions', '0'),
      alter('growing', '--partitions', '-1'),
      alter('growing', '--partitions', 'many'),
      alter('growing', '--partitions', '6', '--replica-assignment', '1,1,1,1,1,9'),
      alter('growing', '--partitions', '6', '--replica-assignment', '1,1,1,1,1,1:1'),
      alter('growing', '--partitions', '7', '--replica-assignment', '1,1,1,1,1,1'),
      alter('growing', '--partitions', '6', '--replica-assignment', '1'),
      alter('nowhere', '--partitions', '5'),
      alter('growing'),
    ]) {
      await topics(wrong, { expected: /^exit code 1/ });
    }
    await topics(alter('nowhere', '--partitions', '5', '--if-exists'), { expected: /^exit code 0$/ });
    await topics(['--describe', '--topic', 'growing'], { expected: /PartitionCount: 5/ });
  });

  test('kafka-get-offsets understands every form of time', async () => {
    await produce('orders', 0, 3, 50);
    await produce('orders', 1, 1, 50);
    await produce('order-lines', 1, 2, 50);
    await getOffsets([], { expected: /orders:0:30/ });
    const forms = ['latest', 'earliest', 'max-timestamp', 'earliest-local', 'latest-tiered'];
    for (const time of [...forms, 'earliest-pending-upload', '-1', '-2', '-3', '-4', '-5', '-6']) {
      await getOffsets(['--topic', 'orders', '--time', time]);
    }
    await getOffsets(['--topic', 'orders', '--time', 'latest'], {
      expected: /orders:0:30\norders:1:10\norders:2:0/,
    });
    await getOffsets(['--topic', 'orders', '--time', 'max-timestamp'], { expected: /orders:0:9/ });
    for (const time of [0, START_MS, START_MS + 4, START_MS + 9, START_MS + 10]) {
      await getOffsets(['--topic', 'orders', '--time', `${time}`]);
    }
    await getOffsets(['--topic', 'orders', '--time', `${START_MS + 4}`], { expected: /orders:0:4/ });
    for (const time of ['-7', 'soon', '']) await getOffsets(['--topic', 'orders', '--time', time]);
  });

  test('kafka-get-offsets selects topics and partitions', async () => {
    await getOffsets(['--topic', 'order.*'], { expected: /order-lines:1:20\norders:0:30/ });
    await getOffsets(['--topic', 'order.*', '--exclude-internal-topics']);
    for (const partitions of ['0', '0,2', '1-', '-2', '0-2', '7', '2-1', 'x']) {
      await getOffsets(['--topic', 'orders', '--partitions', partitions]);
    }
    await getOffsets(['--partitions', '1']);
    for (const selected of ['orders:0', 'orders:1-', 'order.*:0-1,growing', ':1', 'orders:x', 'nowhere:0']) {
      await getOffsets(['--topic-partitions', selected]);
    }
    await getOffsets(['--topic', 'nowhere'], { expected: /^exit code 1/ });
    await getOffsets(['--topic', 'orders', '--topic-partitions', 'orders:0'], { expected: /^exit code 1/ });
  });

  test('kafka-delete-records deletes, and is refused what cannot be', async () => {
    await deleteRecords(upTo(['orders', 0, 7]), { expected: /orders-0 low_watermark: 7/ });
    await getOffsets(['--topic', 'orders', '--time', 'earliest'], { expected: /orders:0:7/ });
    await getOffsets(['--topic', 'orders', '--time', 'earliest-local']);
    await getOffsets(['--topic', 'orders', '--time', `${START_MS}`]);
    await deleteRecords(upTo(['orders', 0, 3]), { expected: /orders-0 low_watermark: 7/ });
    await deleteRecords(upTo(['orders', 0, -1], ['orders', 1, -1], ['orders', 2, 0]), {
      expected: /orders-0 low_watermark: 30/,
    });
    await getOffsets(['--topic', 'orders', '--time', 'earliest'], { expected: /orders:1:10/ });
    await getOffsets(['--topic', 'orders', '--time', 'max-timestamp']);
    await getOffsets(['--topic', 'orders', '--time', '0']);
    await produce('orders', 0, 1, 50);
    await getOffsets(['--topic', 'orders'], { expected: /orders:0:40/ });
    await deleteRecords(upTo(['orders', 0, 41]), { expected: /OffsetOutOfRangeException/ });
    await deleteRecords(upTo(['orders', 0, -2]), { expected: /OffsetOutOfRangeException/ });
    await deleteRecords(upTo(['orders', 1, 10], ['orders', 2, 5]), {
      expected: /low_watermark[\s\S]*error|error/,
    });
    await deleteRecords(upTo(['orders', 0, 1], ['orders', 0, 2]));
    await deleteRecords('{"partitions":[]}');
    await deleteRecords('{"version":2,"partitions":[]}');
    await deleteRecords('{"partitions":[{"topic":"orders","partition":0}]}');
    await deleteRecords('none');
  });

  test('kafka-reassign-partitions moves replicas between log directories', async () => {
    const [one, two] = [0, 1].map(at => (side: ToolSide) => side.logDirs[at]!);
    await produce('moving', 0, 20, 1000);
    await produce('moving', 1, 2, 1000);
    const here = (side: ToolSide): Arguments => [one!(side), one!(side)];
    const there = (side: ToolSide): Arguments => [two!(side), one!(side)];
    // From wherever each broker has placed them.
    await reassign('moving', here, ['--execute'], { expected: /Successfully started/ });
    await untilMoved('moving', here);
    await logDirs(['--topic-list', 'moving'], {
      expected: /moving-0[^\]]*\],"error":null,"logDir":"<folder>\/one"/,
    });

    const throttle = ['--replica-alter-log-dirs-throttle', '1000'];
    await reassign('moving', there, ['--execute', ...throttle], {
      expected: /Warning: You must run --verify periodically[\s\S]*Successfully started/,
    });
    await reassign('moving', there, ['--verify'], { expected: /replica moving-0-1 is still in progress/ });
    await logDirs(['--topic-list', 'moving'], { normalise: withoutProgress, expected: /"isFuture":true/ });
    await reassign(
      'moving',
      there,
      ['--execute', '--additional', '--replica-alter-log-dirs-throttle', '50000000'],
      {
        expected: /Successfully started/,
      },
    );
    await untilMoved('moving', there);
    await logDirs(['--topic-list', 'moving'], {
      expected: /moving-0[^\]]*\],"error":null,"logDir":"<folder>\/two"/,
    });
    await getOffsets(['--topic', 'moving'], { expected: /moving:0:200\nmoving:1:20/ });
  });

  test('kafka-reassign-partitions is refused directories that are not there', async () => {
    const wait = ['--timeout', '2000'];
    for (const directory of ['/nowhere', 'one', '']) {
      const where = (): Arguments => [directory];
      await reassign('moving', where, ['--execute', ...wait]);
      await reassign('moving', where, ['--verify']);
    }
    await reassign('nowhere', side => [side.logDirs[0]!], ['--execute', ...wait], {
      expected: /^exit code 1/,
    });
    await reassign('nowhere', side => [side.logDirs[0]!], ['--verify']);
    await reassign('moving', () => ['any', 'any'], ['--verify']);
    await reassign('moving', () => ['any', 'any'], ['--execute']);
    await same(side => [
      'reassign.ReassignPartitionsCommand',
      '--reassignment-json-file',
      side.file(
        'two-for-one.json',
        '{"version":1,"partitions":[{"topic":"moving","partition":0,"replicas":[1],"log_dirs":["any","any"]}]}',
      ),
      '--execute',
    ]);
  });

  test('kafka-log-dirs describes directories, topics and brokers', async () => {
    await logDirs(['--topic-list', 'moving'], { expected: /moving-1/ });
    await logDirs(['--topic-list', 'moving,nowhere', '--broker-list', '1']);
    await logDirs(['--topic-list', 'nowhere'], { expected: /"partitions":\[\]/ });
    await logDirs(['--broker-list', '9'], { expected: /^exit code 1/ });
    await logDirs(['--broker-list', '1,9'], { expected: /^exit code 1/ });
    await logDirs(['--broker-list', 'x'], { expected: /^exit code 1/ });
  });
});

/** How far a move is depends on time. */
function withoutProgress(text: string): string {
  return text.replaceAll(/^\{.*$/gm, json =>
    sortedJson(json.replaceAll(/"(size|offsetLag)":\d+/g, '"$1":0')),
  );
}
