import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  produceBatches,
  SPARE_CONTROLLER,
  sortedJson,
  sortedLines,
  sortedPartitions,
  ToolSide,
  withoutNumbers,
} from '../oracle/tool-side.ts';
import { runKafkaTool } from '../support/apache-kafka.ts';
import { targetName } from '../support/broker-target.ts';
import type { ClusterNode, TopicMetadata } from '../support/cluster-process.ts';
import { describeQuorum } from '../support/cluster-process-admin.ts';

/*
 * The tools of Apache Kafka 4.3 that are about a cluster: every command goes to three brokers of ours and to three of
 * Apache Kafka, set up alike, and must have the same exit code and the same output. What is normalised is in
 * `test/oracle/tool-side.ts`, the sentences that are our own in `test/oracle/tool-words.ts`; what depends on who leads
 * the quorum, on chance or on time is taken out where a command is run.
 */

type Arguments = readonly string[];

interface Options {
  /** Both outputs must match it: two clusters may be alike in being wrong. */
  readonly expected?: RegExp;
  /** What both are asked to be after more normalising, for what depends on who leads the quorum or on time. */
  readonly normalise?: (text: string) => string;
}

const sides: ToolSide[] = [];

beforeAll(async () => {
  for (const name of [targetName(), 'apache-kafka-4.3.0'] as const) sides.push(await ToolSide.start(name));
});

afterAll(async () => {
  await Promise.all(sides.map(side => side.close()));
});

/** Runs a command on both sides and holds the outputs against each other. Returns ours. */
async function same(command: (side: ToolSide) => Arguments, options: Options = {}): Promise<string> {
  const { expected, normalise = text => text } = options;
  const outputs = await Promise.all(sides.map(side => outputOfLeader(side, command(side))));
  const [ours = '', theirs = ''] = outputs.map(output => normalise(output));
  const named = sides[0]?.named(command(sides[0]));
  expect.soft(ours, named).toBe(theirs);
  if (expected !== undefined) expect.soft(theirs, named).toMatch(expected);
  return ours;
}

/**
 * What a side says when it asks the leader of its quorum. After an election a broker can know the leader later than the
 * others, and the one it still asks turns it away without having done anything.
 */
async function outputOfLeader(side: ToolSide, command: Arguments): Promise<string> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const output = await side.output(command);
    if (!output.includes('NotLeaderOrFollowerException') || Date.now() > deadline) return output;
  }
}

const server = (side: ToolSide): Arguments => ['--bootstrap-server', side.cluster.bootstrap];
const controller = (side: ToolSide): Arguments => ['--bootstrap-controller', side.controllers];

const topics = (args: Arguments, options?: Options): Promise<string> =>
  same(side => ['TopicCommand', ...server(side), ...args], options);

const quorum = (args: Arguments, options?: Options, by = server): Promise<string> =>
  same(side => ['MetadataQuorumCommand', ...by(side), ...args], options);

const features = (args: Arguments, options?: Options, by = server): Promise<string> =>
  same(side => ['FeatureCommand', ...by(side), ...args], options);

const logDirs = (args: Arguments, options: Options = {}): Promise<string> =>
  same(side => ['LogDirsCommand', ...server(side), '--describe', ...args], {
    normalise: jsonInOrder,
    ...options,
  });

const elect = (args: (side: ToolSide) => Arguments, options?: Options): Promise<string> =>
  same(side => ['LeaderElectionCommand', ...server(side), ...args(side)], {
    normalise: sortedPartitions,
    ...options,
  });

const reassign = (args: (side: ToolSide) => Arguments, options?: Options): Promise<string> =>
  same(side => ['reassign.ReassignPartitionsCommand', ...server(side), ...args(side)], options);

/** The line of JSON in the output of kafka-log-dirs. */
const jsonInOrder = (text: string): string => text.replaceAll(/^\{.*$/gm, json => sortedJson(json));

/** Waits on both sides until a topic is as wanted. */
async function until(topic: string, what: string, wanted: (topic: TopicMetadata) => boolean): Promise<void> {
  await Promise.all(
    sides.map(({ cluster, name }) =>
      cluster.eventually(`${topic} of ${name}: ${what}`, 40_000, async () => {
        const found = (await cluster.metadata([topic])).topics[0];
        return found !== undefined && wanted(found) ? true : undefined;
      }),
    ),
  );
}

const isrIs =
  (partition: number, ids: Arguments | readonly number[]) =>
  (topic: TopicMetadata): boolean => {
    const found = topic.partitions.find(({ partitionIndex }) => partitionIndex === partition);
    return found?.isrNodes.toSorted().join() === ids.join();
  };

const ledBy =
  (partition: number, id: number) =>
  (topic: TopicMetadata): boolean =>
    topic.partitions.find(({ partitionIndex }) => partitionIndex === partition)?.leaderId === id;

const eachNode = (id: number, act: (node: ClusterNode) => Promise<unknown>): Promise<unknown> =>
  Promise.all(sides.map(({ cluster }) => act(cluster.node(id))));

/** The same bytes on both sides. */
async function produce(topic: string, partition: number, batches: number, size: number): Promise<void> {
  await Promise.all(sides.map(({ cluster }) => produceBatches(cluster, topic, partition, batches, size)));
}

const plan = (topic: string, ...replicas: (readonly number[])[]): string =>
  JSON.stringify({
    version: 1,
    partitions: replicas.map((ids, partition) => ({ topic, partition, replicas: ids })),
  });

describe(`the cluster tools of Apache Kafka 4.3 say of ${targetName()} what they say of Apache Kafka`, () => {
  test('kafka-topics creates', async () => {
    const placed = ['--replica-assignment', '1:2:3,2:3:1,3:1:2'];
    await topics(['--create', '--topic', 'tools', ...placed], { expected: /Created topic tools\./ });
    await topics(['--create', '--topic', 'tools', ...placed], { expected: /<topic exists tools>/ });
    await topics(['--create', '--topic', 'tools', '--if-not-exists', ...placed], {
      expected: /^exit code 0$/,
    });
    const sized = ['--partitions', '3', '--replication-factor', '3', '--config', 'retention.ms=123456'];
    await topics(['--create', '--topic', 'by_size.a', ...sized], { expected: /WARNING[\s\S]*Created topic/ });
    await topics(['--create', '--topic', 'defaults'], { expected: /Created topic defaults/ });
    await topics([
      '--create',
      '--topic',
      'alone',
      '--replica-assignment',
      '3',
      '--config',
      'min.insync.replicas=1',
    ]);
    await topics([
      '--create',
      '--topic',
      'pair',
      '--replica-assignment',
      '3:2',
      '--config',
      'min.insync.replicas=1',
    ]);
    await topics([
      '--create',
      '--topic',
      'strict',
      '--replica-assignment',
      '1:2:3',
      '--config',
      'min.insync.replicas=3',
    ]);
    for (const wrong of [
      ['--topic', 'wrong', '--partitions', '1', '--replication-factor', '4'],
      ['--topic', 'wrong', '--partitions', '1', '--replication-factor', '0'],
      ['--topic', 'wrong', '--partitions', '0', '--replication-factor', '1'],
      ['--topic', 'wrong name'],
      ['--topic', '..'],
      ['--topic', 'by.size_a'],
      ['--topic', 'x'.repeat(250)],
      ['--topic', 'wrong', '--config', 'no.such.key=1'],
      ['--topic', 'wrong', '--config', 'retention.ms=long'],
      ['--topic', 'wrong', '--config', 'min.insync.replicas=0'],
      ['--topic', 'wrong', '--replica-assignment', '1:9'],
      ['--topic', 'wrong', '--replica-assignment', '1:1'],
      ['--topic', 'wrong', '--replica-assignment', '1:2,3'],
    ]) {
      await topics(['--create', ...wrong], { expected: /^exit code 1/ });
    }
    for (const { cluster } of sides) {
      await cluster.waitUntilHealthy(['tools', 'by_size.a', 'defaults', 'alone', 'pair', 'strict']);
    }
  });

  test('kafka-topics lists and describes', async () => {
    const placedAnywhere = (text: string): string =>
      text.replaceAll(
        /Leader: \d Replicas: [\d,]+ Isr: [\d,]+/g,
        'Leader: <one> Replicas: <three> Isr: <three>',
      );
    await topics(['--list'], { expected: /alone\nby_size\.a\ndefaults\npair\nstrict\ntools/ });
    await topics(['--list', '--exclude-internal', '--topic', '.*s']);
    await topics(['--describe', '--topic', 'tools'], {
      expected: /Partition: 1 Leader: 2 Replicas: 2,3,1 Isr: 1,2,3/,
    });
    await topics(['--describe', '--topic', 'tools|strict|pair|alone']);
    await topics(['--describe', '--topic', 'by_size.a'], {
      normalise: placedAnywhere,
      expected: /PartitionCount: 3 ReplicationFactor: 3 Configs: .*retention\.ms=123456/,
    });
    await topics(['--describe', '--topic', 'defaults'], {
      normalise: placedAnywhere,
      expected: /Partition: 1/,
    });
    await topics(['--describe', '--topics-with-overrides'], { normalise: placedAnywhere });
    for (const flag of ['under-replicated', 'unavailable', 'under-min-isr', 'at-min-isr']) {
      await topics(['--describe', `--${flag}-partitions`, '--topic', 'tools|pair']);
    }
    await topics(['--describe', '--at-min-isr-partitions', '--topic', 'strict'], {
      expected: /Topic: strict/,
    });
    await topics(['--describe', '--topic', 'nowhere'], { expected: /^exit code 1[\s\S]*nowhere/ });
    await topics(['--describe', '--topic', 'nowhere', '--if-exists'], { expected: /^exit code 0$/ });
    await topics(['--describe', '--topic-id', 'AAAAAAAAAAAAAAAAAAAAZQ'], { expected: /^exit code 1/ });
  });

  test('kafka-topics alters the number of partitions', async () => {
    const alter = (...args: string[]): string[] => ['--alter', '--topic', ...args];
    await topics(
      alter('tools', '--partitions', '5', '--replica-assignment', '1:2:3,2:3:1,3:1:2,1:3:2,2:1:3'),
      {
        expected: /^exit code 0/,
      },
    );
    await topics(alter('defaults', '--partitions', '4'), { expected: /^exit code 0/ });
    await until('tools', 'five partitions', ({ partitions }) => partitions.length === 5);
    for (const wrong of [
      alter('tools', '--partitions', '5'),
      alter('tools', '--partitions', '2'),
      alter('tools', '--partitions', '6', '--replica-assignment', '1:2:3,2:3:1,3:1:2,1:3:2,2:1:3,1:2:9'),
      alter('tools', '--partitions', '6', '--replica-assignment', '1:2:3,2:3:1,3:1:2,1:3:2,2:1:3,1:2'),
      alter('nowhere', '--partitions', '5'),
    ]) {
      await topics(wrong, { expected: /^exit code 1/ });
    }
    await topics(alter('nowhere', '--partitions', '5', '--if-exists'), { expected: /^exit code 0/ });
    for (const { cluster } of sides) await cluster.waitUntilHealthy(['tools', 'defaults']);
    await topics(['--describe', '--topic', 'tools'], { expected: /Partition: 4 Leader: 2 Replicas: 2,1,3/ });
  });

  test('kafka-cluster names the cluster and its endpoints', async () => {
    const cluster = (verb: string, by = server, ...more: string[]): Promise<string> =>
      same(side => ['ClusterTool', verb, ...by(side), ...more], { normalise: sortedLines });
    for (const by of [server, controller]) {
      expect(await cluster('cluster-id', by)).toMatch(/Cluster ID: /);
      expect(await cluster('list-endpoints', by)).toMatch(/127\.0\.0\.1 <(controller )?port 1>/);
    }
    await cluster('list-endpoints', server, '--include-fenced-brokers');
    await cluster('list-endpoints', controller, '--include-fenced-brokers');
    await cluster('unregister', server, '--id', '99');
    await cluster('unregister', controller, '--id', '99');
  });

  test('kafka-metadata-quorum describes the quorum and changes its voters', {
    timeout: 240_000,
  }, async () => {
    const settled = async (voters: number): Promise<void> => {
      for (const { cluster } of sides) {
        // A leader that was removed goes on for a moment, and turns away what comes next.
        await describeQuorum(cluster, `${voters} voters`, ({ currentVoters, observers, leaderId }) => {
          const leads = currentVoters.some(({ replicaId }) => replicaId === leaderId);
          return leads && currentVoters.length === voters && observers.length === 4 - voters;
        });
      }
    };
    const anyLeader = (text: string): string => withoutNumbers(text).replaceAll(/Leader|Follower/g, 'Voter');
    const status = (by: typeof server): Promise<string> =>
      quorum(['describe', '--status'], { normalise: statusOfQuorum, expected: /CurrentVoters: \{/ }, by);
    await settled(2);
    for (const by of [server, controller]) {
      await status(by);
      await quorum(
        ['describe', '--replication'],
        { normalise: anyLeader, expected: /Voter[\s\S]*Observer/ },
        by,
      );
      await quorum(
        ['describe', '--replication', '--human-readable'],
        { normalise: text => anyLeader(text.replaceAll(/-?\d+ ms ago/g, '<number>')), expected: /Observer/ },
        by,
      );
    }
    await quorum(['describe'], { expected: /^exit code 1/ });
    await quorum(['describe', '--status', '--replication'], { expected: /^exit code 1/ });

    const ids = new Map<ToolSide, string>();
    for (const side of sides) {
      const { currentVoters } = await describeQuorum(side.cluster, 'voters', () => true);
      ids.set(
        side,
        currentVoters.find(({ replicaId }) => replicaId === SPARE_CONTROLLER)!.replicaDirectoryId,
      );
    }
    const remove = (
      by: typeof server,
      id: number,
      directory: (side: ToolSide) => string,
      ...more: string[]
    ) =>
      same(side => [
        'MetadataQuorumCommand',
        ...by(side),
        'remove-controller',
        ...['--controller-id', `${id}`, '--controller-directory-id', directory(side), ...more],
      ]);
    const add = (by: typeof server, ...more: string[]) =>
      same(side => [
        'MetadataQuorumCommand',
        ...by(side),
        ...[
          '--command-config',
          side.cluster.node(SPARE_CONTROLLER).process.configFile,
          'add-controller',
          ...more,
        ],
      ]);
    const spare = (side: ToolSide): string => ids.get(side)!;
    for (const by of [server, controller]) {
      expect(await remove(by, 99, () => 'AAAAAAAAAAAAAAAAAAAAZQ')).toMatch(/^exit code 1/);
      expect(await remove(by, SPARE_CONTROLLER, () => 'AAAAAAAAAAAAAAAAAAAAZQ')).toMatch(/^exit code 1/);
      await remove(by, SPARE_CONTROLLER, spare, '--dry-run');
      await add(by, '--dry-run');
      expect(await add(by)).toMatch(/^exit code 1/);
      expect(await remove(by, SPARE_CONTROLLER, spare)).toMatch(/^exit code 0[\s\S]*Removed/);
      await settled(1);
      expect(await remove(by, SPARE_CONTROLLER, spare)).toMatch(/^exit code 1/);
      await status(by);
      expect(await add(by)).toMatch(/^exit code 0[\s\S]*Added controller 11/);
      await settled(2);
      await status(by);
    }
  });

  test('kafka-features describes, changes and explains the levels', async () => {
    const anyEpoch = (text: string): string => text.replaceAll(/Epoch: \d+/g, 'Epoch: <number>');
    const described = {
      normalise: anyEpoch,
      expected: /metadata\.version .*FinalizedVersionLevel: 4\.3-IV0/,
    };
    for (const by of [server, controller]) {
      await features(['describe'], described, by);
      await features(['downgrade', '--feature', 'group.version=0', '--dry-run'], {}, by);
      await features(['downgrade', '--feature', 'group.version=0'], { expected: /was downgraded to 0/ }, by);
      await features(['describe'], described, by);
      await features(['upgrade', '--feature', 'group.version=1', '--dry-run'], {}, by);
      await features(['upgrade', '--feature', 'group.version=1'], { expected: /was upgraded to 1/ }, by);
    }
    for (const wrong of [
      ['upgrade', '--feature', 'group.version=1'],
      ['upgrade', '--feature', 'group.version=99'],
      ['upgrade', '--feature', 'no.such.feature=1'],
      ['upgrade', '--feature', 'metadata.version=999'],
      ['upgrade', '--feature', 'kraft.version=9'],
      ['upgrade', '--release-version', '9.9'],
      ['downgrade', '--feature', 'group.version=1'],
      ['downgrade', '--feature', 'metadata.version=3'],
      ['downgrade', '--feature', 'kraft.version=0'],
      ['downgrade', '--feature', 'group.version=-1'],
      ['downgrade', '--release-version', '3.7-IV0', '--dry-run'],
      ['downgrade', '--release-version', '4.0-IV0', '--dry-run'],
      ['downgrade', '--release-version', '3.4-IV0', '--unsafe', '--dry-run'],
      ['disable', '--feature', 'metadata.version'],
    ]) {
      await features(wrong, { normalise: sortedLines });
    }
    await features(['upgrade', '--release-version', '4.3-IV0'], { normalise: sortedLines });
    await features(['disable', '--feature', 'group.version'], { expected: /group\.version was disabled/ });
    await features(['upgrade', '--feature', 'group.version=1', '--feature', 'share.version=1']);
    await features(['downgrade', '--feature', 'share.version=0']);
    await features(['describe'], described);
    await features(['version-mapping']);
    await features(['version-mapping', '--release-version', '4.0-IV0']);
    await features([
      'feature-dependencies',
      '--feature',
      'transaction.version=2',
      '--feature',
      'group.version=1',
    ]);
  });

  test('kafka-log-dirs shows every replica on every broker', async () => {
    await produce('tools', 0, 3, 1_000);
    const args = ['--topic-list', 'tools,pair'];
    await same(side => ['LogDirsCommand', ...server(side), '--describe', ...args], {
      normalise: jsonInOrder,
      expected: /"partition":"tools-0","size":3\d{4},"offsetLag":0,"isFuture":false/,
    });
    await logDirs(['--broker-list', '1,3', '--topic-list', 'tools,alone'], { expected: /alone-0/ });
    await logDirs(['--broker-list', '1', '--topic-list', 'nowhere'], { expected: /"partitions":\[\]/ });
    await logDirs(['--broker-list', '1,9'], { expected: /^exit code 1/ });
  });

  test('kafka-reassign-partitions generates, executes, verifies, lists and cancels', {
    timeout: 240_000,
  }, async () => {
    await topics([
      '--create',
      '--topic',
      'big',
      '--replica-assignment',
      '1:2,2:1',
      '--config',
      'min.insync.replicas=1',
    ]);
    for (const partition of [0, 1]) await produce('big', partition, 60, 80_000);
    const toMove = JSON.stringify({ version: 1, topics: [{ topic: 'big' }] });
    const proposed = (text: string): string => {
      const at = text.indexOf('Proposed');
      return text.slice(0, at) + text.slice(at).replaceAll(/"replicas":\[\d,\d\]/g, '"replicas":[<two>]');
    };
    await reassign(
      side => [
        ...[
          '--topics-to-move-json-file',
          side.file('topics.json', toMove),
          '--broker-list',
          '1,2,3',
          '--generate',
        ],
      ],
      { normalise: proposed, expected: /Current partition replica assignment[\s\S]*Proposed/ },
    );
    await reassign(side => [
      ...[
        '--topics-to-move-json-file',
        side.file('topics.json', toMove),
        '--broker-list',
        '1,9',
        '--generate',
      ],
    ]);
    await reassign(() => ['--list'], { expected: /No partition reassignments found/ });

    const by =
      (text: string, ...args: string[]) =>
      (side: ToolSide): Arguments => [...['--reassignment-json-file', side.file('plan.json', text), ...args]];
    const slow = plan('big', [1, 3], [2, 1]);
    await reassign(by(slow, '--execute', '--throttle', '20000'), { expected: /Successfully started/ });
    await reassign(by(slow, '--verify'), { expected: /is still in progress/ });
    await reassign(() => ['--list'], { expected: /big-0: replicas: .* adding: 3\. removing: 2\./ });
    await topics(['--describe', '--topic', 'big'], { expected: /Adding Replicas: 3 Removing Replicas: 2/ });
    await topics(['--describe', '--under-replicated-partitions', '--topic', 'big']);
    await reassign(by(slow, '--execute'), { expected: /existing partition assignment/ });
    // Nothing here goes back to the replicas before: we end such a move at once, Apache Kafka 4.3 copies on and then
    // removes what it has copied.
    const both = plan('big', [1, 3], [2, 3]);
    await reassign(by(both, '--execute', '--additional', '--throttle', '20000'), {
      expected: /Successfully started/,
    });
    await same(side => ['reassign.ReassignPartitionsCommand', ...controller(side), '--list']);
    await reassign(by(both, '--execute', '--additional', '--throttle', '30000'));
    await reassign(by(both, '--cancel', '--preserve-throttles'), { expected: /cancelled[\s\S]*big-0,big-1/ });
    await reassign(by(both, '--cancel'));
    await until('big', 'only two replicas', ({ partitions }) =>
      partitions.every(({ replicaNodes }) => replicaNodes.length === 2),
    );
    await reassign(by(both, '--verify'), { expected: /replica set is 2,1 rather than 2,3/ });
    await topics(['--describe', '--topic', 'big']);

    const fast = plan('big', [3, 1], [3, 2]);
    await reassign(
      by(fast, '--execute', '--throttle', '500000000', '--replica-alter-log-dirs-throttle', '500000000'),
    );
    await until('big', 'led by 3', topic => isrIs(0, [1, 3])(topic) && isrIs(1, [2, 3])(topic));
    await until('big', 'moved', ({ partitions }) =>
      partitions.every(({ replicaNodes }) => replicaNodes[0] === 3),
    );
    await reassign(by(fast, '--verify'), { expected: /partition big-0 is completed[\s\S]*Clearing/ });
    await reassign(() => ['--list'], { expected: /No partition reassignments found/ });
    await topics(['--describe', '--topic', 'big'], { expected: /Partition: 0 Leader: \d Replicas: 3,1/ });
    for (const wrong of [
      plan('nowhere', [1, 2]),
      plan('big', [1, 9], [1, 2]),
      plan('big', [1, 1], [1, 2]),
      plan('big', [], [1, 2]),
      plan('big', [1, 2], [1, 2], [1, 2]),
      '{}',
    ]) {
      await reassign(by(wrong, '--execute'), { expected: /^exit code 1/ });
    }
    await reassign(by(plan('nowhere', [1, 2]), '--verify'));
    await reassign(by(plan('nowhere', [1, 2]), '--cancel'));
  });

  test('kafka-topics and kafka-log-dirs show what a broker that is down leaves behind', async () => {
    await eachNode(3, ({ process }) => process.kill());
    await until('tools', 'without broker 3', topic =>
      topic.partitions.every(({ isrNodes }) => !isrNodes.includes(3)),
    );
    await until('strict', 'without broker 3', isrIs(0, [1, 2]));
    await until('pair', 'without broker 3', isrIs(0, [2]));
    await until('alone', 'without a leader', ledBy(0, -1));
    const some = ['--topic', 'tools|alone|pair|strict'];
    await topics(['--describe', ...some], {
      expected: /Topic: alone Partition: 0 Leader: none Replicas: 3 Isr:/,
    });
    await topics(['--describe', '--under-replicated-partitions', ...some], { expected: /Topic: strict/ });
    await topics(['--describe', '--unavailable-partitions', ...some], {
      expected: /^[^\n]*\nTopic: alone[^\n]*$/,
    });
    await topics(['--describe', '--at-min-isr-partitions', ...some], { expected: /Topic: tools/ });
    await topics(['--describe', '--under-min-isr-partitions', ...some], { expected: /Topic: strict/ });
    await topics(['--list']);
    await topics(['--create', '--topic', 'wrong', '--replica-assignment', '1:2:3'], {
      expected: /^exit code/,
    });
    await topics(['--delete', '--topic', 'wrong', '--if-exists']);
    await topics(['--create', '--topic', 'wrong', '--partitions', '1', '--replication-factor', '3'], {});
    await topics(['--delete', '--topic', 'wrong', '--if-exists']);
    await logDirs(['--topic-list', 'strict'], { expected: /strict-0/ });
    const list = (...more: string[]): Promise<string> =>
      same(side => ['ClusterTool', 'list-endpoints', ...server(side), ...more], { normalise: sortedLines });
    await list();
    expect(await list('--include-fenced-brokers')).toMatch(/3 127\.0\.0\.1 <port 3>/);
    const fail = { expected: /^exit code 1$/m };
    const election = (type: string, topic: string) => (): Arguments => [
      ...['--election-type', type, '--topic', topic, '--partition', '0'],
    ];
    await elect(election('preferred', 'pair'), fail);
    await elect(election('unclean', 'alone'), fail);
  });

  test('kafka-leader-election elects unclean and preferred leaders', { timeout: 240_000 }, async () => {
    const one = (type: string, topic: string, partition: number) => (): Arguments => [
      ...['--election-type', type, '--topic', topic, '--partition', `${partition}`],
    ];
    // Broker 2 alone is in sync, and goes; broker 3, which was not, comes back.
    await eachNode(2, ({ process }) => process.kill());
    await until('pair', 'without a leader', ledBy(0, -1));
    await until('strict', 'without broker 2', isrIs(0, [1]));
    await topics(['--describe', '--topic', 'pair|strict'], { expected: /Topic: strict .* Isr: 1 Elr: 2,3/ });
    await eachNode(3, ({ process }) => process.start());
    await until('tools', 'with broker 3', isrIs(0, [1, 3]));
    await until('strict', 'with broker 3', isrIs(0, [1, 3]));
    await topics(['--describe', '--topic', 'pair|strict'], { expected: /Topic: pair .*Leader: none/ });
    await topics(['--describe', '--unavailable-partitions', '--topic', 'pair|tools'], {
      expected: /Topic: pair/,
    });
    await elect(one('preferred', 'pair', 0), { expected: /^exit code 1$/m });
    await elect(one('unclean', 'pair', 0), { expected: /\(UNCLEAN\) for partitions pair-0/ });
    await until('pair', 'led by 3', ledBy(0, 3));
    await elect(one('unclean', 'pair', 0), { expected: /Valid replica already elected/ });
    await eachNode(2, ({ process }) => process.start());
    for (const { cluster } of sides)
      await cluster.waitUntilHealthy(['tools', 'pair', 'strict', 'alone', 'big']);
    await topics(['--describe', '--topic', 'pair'], { expected: /Leader: 3 Replicas: 3,2 Isr: 2,3/ });

    const leaders = ['--describe', '--topic', 'tools|strict|big'];
    await topics(leaders);
    await elect(one('preferred', 'tools', 2), { expected: /\(PREFERRED\) for partitions tools-2/ });
    await elect(one('preferred', 'tools', 2), { expected: /Valid replica already elected/ });
    const file = JSON.stringify({
      partitions: [
        { topic: 'tools', partition: 1 },
        { topic: 'tools', partition: 0 },
        { topic: 'tools', partition: 77 },
        { topic: 'nowhere', partition: 0 },
      ],
    });
    await elect(
      side => ['--election-type', 'preferred', '--path-to-json-file', side.file('elect.json', file)],
      {
        expected: /\(PREFERRED\) for partitions tools-1$/m,
      },
    );
    await elect(() => ['--election-type', 'preferred', '--all-topic-partitions'], { normalise: onlyPlaced });
    await until('tools', 'preferred leaders', ({ partitions }) =>
      partitions.every(({ leaderId, replicaNodes }) => leaderId === replicaNodes[0]),
    );
    await elect(() => ['--election-type', 'preferred', '--all-topic-partitions'], {
      expected: /^exit code 0$/,
    });
    await elect(() => ['--election-type', 'unclean', '--all-topic-partitions'], {
      expected: /^exit code 0$/,
    });
    await elect(one('preferred', 'nowhere', 0), { expected: /^exit code 1$/m });
    await elect(one('unclean', 'tools', 99), { expected: /^exit code 1$/m });
    await topics(leaders, { expected: /Topic: tools Partition: 2 Leader: 3/ });
  });

  test('kafka-replica-verification finds no lag between the replicas under load', async () => {
    const load = (async () => {
      for (const end = performance.now() + 8_000; performance.now() < end; )
        await produce('tools', 1, 5, 500);
    })();
    const reports = await Promise.all(sides.map(verificationUnderLoad));
    await load;
    const shape = (line: string): string => line.replaceAll(/-?\d+/g, '<number>');
    const [ours, theirs] = reports.map(lines => {
      const lags = lines.filter(line => line.includes('max lag is'));
      expect(lags.length, lines.join('\n')).toBeGreaterThan(2);
      expect(lags.at(-1)).toMatch(/max lag is 0 for partition tools-\d at offset \d+ among \d partitions/);
      return new Set(lags.map(shape));
    });
    expect(ours).toEqual(theirs);
  });

  test('kafka-cluster unregisters a broker that is gone', async () => {
    await eachNode(3, ({ process }) => process.stop());
    await until('strict', 'without broker 3', isrIs(0, [1, 2]));
    await topics(['--describe', '--topic', 'alone|strict'], { expected: /Topic: strict .* Isr: 1,2 Elr: 3/ });
    const cluster = (verb: string, by = server, ...more: string[]): Promise<string> =>
      same(side => ['ClusterTool', verb, ...by(side), ...more], { normalise: sortedLines });
    expect(await cluster('unregister', server, '--id', '3')).toMatch(/Broker 3 is no longer registered/);
    await cluster('unregister', controller, '--id', '3');
    await cluster('list-endpoints', server, '--include-fenced-brokers');
    await topics(['--describe', '--topic', 'tools|alone|pair|strict|after-unregister'], {
      expected: /Topic: alone Partition: 0 Leader: none/,
    });
    await topics(['--create', '--topic', 'wrong', '--replica-assignment', '1:2:3'], {
      expected: /^exit code 1/,
    });
    await eachNode(3, ({ process }) => process.start());
    for (const side of sides) await side.cluster.waitUntilHealthy(['tools', 'alone', 'pair', 'strict']);
  });

  test('kafka-topics deletes', async () => {
    await topics(['--delete', '--topic', 'tools'], { expected: /^exit code 0$/ });
    await topics(['--delete', '--topic', 'tools'], { expected: /^exit code 1/ });
    await topics(['--delete', '--topic', 'tools', '--if-exists'], { expected: /^exit code 0$/ });
    await topics(['--delete', '--topic', 'pair|strict|alone|big|def.*'], { expected: /^exit code 0$/ });
    await topics(['--list', '--exclude-internal'], { expected: /^exit code 0\nby_size\.a$/ });
  });
});

/** Who leads, since when and how far the others are depends on time; voters, observers and their places do not. */
function statusOfQuorum(text: string): string {
  return text
    .replaceAll(
      /^(LeaderId|LeaderEpoch|HighWatermark|MaxFollowerLag|MaxFollowerLagTimeMs): .*$/gm,
      '$1: <number>',
    )
    .replaceAll(/^(Current\w+: )(\[.*\])$/gm, (_, name, list) => `${name}${sortedJson(`{"list":${list}}`)}`);
}

/** Which partitions of topics that were placed by chance need an election is chance too. */
const onlyPlaced = (text: string): string =>
  sortedPartitions(text, partition => /^(tools|pair|strict|alone|big)-/.test(partition));

/** What the tool reports while records are written and for a while after; it goes on until it is ended. */
async function verificationUnderLoad(side: ToolSide): Promise<string[]> {
  const lines: string[] = [];
  const args = ['--broker-list', side.cluster.bootstrap, '--topics-include', 'tools'];
  const every = ['--report-interval-ms', '1000'];
  const ended = runKafkaTool('org.apache.kafka.tools.ReplicaVerificationTool', [...args, ...every], {
    timeoutMs: 15_000,
    onLine: line => lines.push(line),
  });
  await expect(ended).rejects.toThrow(/took longer/);
  return lines;
}
