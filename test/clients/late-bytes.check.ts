import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiKeys } from '../../src/protocol/api-keys.ts';
import { errorName } from '../../src/protocol/errors.ts';
import { ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { AddPartitionsToTxnResponse } from '../../src/protocol/messages/24-add-partitions-to-txn.ts';
import { AddOffsetsToTxnResponse } from '../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnResponse } from '../../src/protocol/messages/26-end-txn.ts';
import { TxnOffsetCommitResponse } from '../../src/protocol/messages/28-txn-offset-commit.ts';
import { launchOf, targetName, temporaryFolder } from '../support/broker-target.ts';
import { ClusterProcess, combinedNodes } from '../support/cluster-process.ts';
import {
  committedOffsets,
  createTopic,
  setFeature,
  waitForTransaction,
} from '../support/cluster-process-admin.ts';
import { type HeldRequest, LateBytesProxy } from '../support/late-bytes-proxy.ts';
import { StepsProgram } from './steps-program.ts';

/*
 * Bytes of an old connection that arrive after the client has retried on a new one. A proxy holds one request of
 * transaction k and cuts the connection; the client sends it again and ends k; then the broker gets what was held, when
 * k + 1 has written nothing yet or has records and offsets. Nothing of k may touch k + 1, and nothing of k may be there
 * twice.
 *
 * Of the first transaction protocol a late EndTxn and a late TxnOffsetCommit do touch a next transaction that has
 * written: `is one of the next transaction` shows that, and with it that this check would see it.
 */

const PARTITIONS = 2;
const TRANSACTION_VERSION = 'transaction.version';
/** The first version of EndTxn that belongs to the second transaction protocol. */
const SECOND_PROTOCOL_END_TXN = 5;
/** The first versions that know of TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSIONS = { Produce: 11, TxnOffsetCommit: 4 } as const;
const COMPLETE = ['CompleteCommit', 'CompleteAbort'];
const ENDS = ['commit', 'abort'] as const;
/** When the late request arrives: before k + 1 has written anything, or after. */
const MOMENTS = ['begun', 'written'] as const;
const OFFSETS = { before: 5, first: 10, second: 20 } as const;

type End = (typeof ENDS)[number];
type Moment = (typeof MOMENTS)[number];

const API_NAMES = ['Produce', 'EndTxn', 'TxnOffsetCommit', 'AddPartitionsToTxn', 'AddOffsetsToTxn'] as const;
type ApiName = (typeof API_NAMES)[number];

const API_KEYS: Readonly<Record<ApiName, number>> = {
  Produce: ApiKeys.PRODUCE,
  EndTxn: ApiKeys.END_TXN,
  TxnOffsetCommit: ApiKeys.TXN_OFFSET_COMMIT,
  AddPartitionsToTxn: ApiKeys.ADD_PARTITIONS_TO_TXN,
  AddOffsetsToTxn: ApiKeys.ADD_OFFSETS_TO_TXN,
};

/** Releases a held request. Resolves with the name of the error that the broker answers with. */
async function release(api: ApiName, held: HeldRequest): Promise<string> {
  const code = async (): Promise<number | undefined> => {
    switch (api) {
      case 'Produce':
        return (await held.release(ProduceResponse)).responses[0]?.partitionResponses[0]?.errorCode;
      case 'EndTxn':
        return (await held.release(EndTxnResponse)).errorCode;
      case 'TxnOffsetCommit':
        return (await held.release(TxnOffsetCommitResponse)).topics[0]?.partitions[0]?.errorCode;
      case 'AddPartitionsToTxn': {
        const { resultsByTopicV3AndBelow: topics } = await held.release(AddPartitionsToTxnResponse);
        return topics[0]?.resultsByPartition[0]?.partitionErrorCode;
      }
      case 'AddOffsetsToTxn':
        return (await held.release(AddOffsetsToTxnResponse)).errorCode;
    }
  };
  return errorName((await code()) ?? -1);
}

interface Client {
  readonly name: string;
  readonly protocol: 1 | 2;
  /** What of a transaction's requests it can be told to send. */
  readonly apis: readonly ApiName[];
  start(bootstrap: string, clientId: string): Promise<StepsProgram>;
}

const SECOND: readonly ApiName[] = ['Produce', 'EndTxn', 'TxnOffsetCommit'];

const CLIENTS: readonly Client[] = [
  {
    name: 'the Java client 4.3.0',
    protocol: 2,
    apis: SECOND,
    start: (bootstrap, clientId) => StepsProgram.java('4.3.0', bootstrap, clientId),
  },
  {
    name: 'the Java client 3.9.1',
    protocol: 1,
    apis: API_NAMES,
    start: (bootstrap, clientId) => StepsProgram.java('3.9.1', bootstrap, clientId),
  },
  {
    name: 'confluent-kafka',
    protocol: 1,
    apis: API_NAMES,
    start: (bootstrap, clientId) => StepsProgram.confluentKafka(bootstrap, clientId),
  },
  {
    name: 'franz-go',
    protocol: 2,
    apis: ['Produce', 'EndTxn'],
    start: (bootstrap, clientId) => StepsProgram.franzGo(bootstrap, clientId),
  },
];

/** A late request that the next transaction feels. */
function touches(protocol: 1 | 2, api: ApiName, moment: Moment): boolean {
  if (protocol === 2) return false;
  // Apache Kafka remembers the sequence of a record that it has refused, and takes no later one in the next transaction.
  if (api === 'Produce') return moment === 'begun' && targetName() !== 'odradek';
  // It cannot be told from one of the next transaction.
  return moment === 'written' && (api === 'EndTxn' || api === 'TxnOffsetCommit');
}

/** What the broker answers to a late request of a version that leaves the next transaction as it is. */
function answerTo(protocol: 1 | 2, api: ApiName, version: number, moment: Moment): string {
  // Done already: what is repeated is answered as at first, but not once the next transaction has begun.
  if (api === 'EndTxn') return moment === 'begun' ? 'NONE' : 'PRODUCER_FENCED';
  if (protocol === 2) return 'INVALID_PRODUCER_EPOCH';
  // The next transaction gets a partition more, which it wrote to anyway.
  if (api === 'AddPartitionsToTxn' || api === 'AddOffsetsToTxn') return 'NONE';
  // A record that is in the log already is answered as at first, if the partition belongs to the transaction.
  if (moment === 'written') return 'NONE';
  return version >= ABORTABLE_VERSIONS[api] ? 'TRANSACTION_ABORTABLE' : 'INVALID_TXN_STATE';
}

/** What is there of a scenario's topic and group, the records without their order. */
interface Contents {
  readonly committed: readonly string[];
  readonly all: readonly string[];
  readonly offset: number | undefined;
}

describe.each([1, 3])(`late bytes on ${targetName()}, brokers: %i`, size => {
  const folder = temporaryFolder('late-bytes');
  let proxy: LateBytesProxy;
  let cluster: ClusterProcess;
  let reader: StepsProgram;
  let scenarios = 0;

  beforeAll(async () => {
    proxy = await LateBytesProxy.open(size);
    const nodes = combinedNodes(
      await launchOf(targetName()),
      Array.from({ length: size }, (_, at) => at + 1),
    );
    cluster = await ClusterProcess.create({
      workDirectory: folder.path,
      nodes: nodes.map((node, at) => ({
        ...node,
        properties: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.ports[at]}` },
      })),
      properties: {
        'default.replication.factor': `${size}`,
        'min.insync.replicas': '1',
        'offsets.topic.replication.factor': `${size}`,
        'transaction.state.log.replication.factor': `${size}`,
        'transaction.state.log.min.isr': '1',
        'transaction.state.log.num.partitions': '4',
      },
    });
    await proxy.start(cluster.nodes.map(({ process }) => process.port));
    await cluster.start();
    reader = await StepsProgram.java('4.3.0', proxy.bootstrap, 'reader');
  });

  afterAll(async () => {
    await reader?.close();
    await cluster?.dispose();
    await proxy?.close();
    folder.remove();
  });

  /** One transaction k of which a request is late. The client is then in the next one, k + 1. */
  class Scenario {
    readonly name: string;
    private readonly client: StepsProgram;
    private readonly clientId: string;
    private readonly withOffsets: boolean;
    private held: HeldRequest | undefined;

    constructor(client: StepsProgram, clientId: string, withOffsets: boolean) {
      this.name = `${clientId}-${size}-${scenarios++}`;
      this.client = client;
      this.clientId = clientId;
      this.withOffsets = withOffsets;
    }

    /** Ends when the client has been told that k is over. */
    async runFirst(api: ApiName, end: End): Promise<void> {
      const { client, name } = this;
      await createTopic(cluster, { name, partitions: PARTITIONS, replicationFactor: size });
      await client.step('open', name);
      await client.step('begin');
      await this.send(0, 'before');
      await this.commitOffset('before');
      await client.step('commit');

      await client.step('begin');
      await this.send(0, 'first-0');
      const holding = proxy.hold(API_KEYS[api], this.clientId);
      // It is awaited below, after steps that may fail for the same reason.
      holding.catch(() => {});
      await this.send(1, 'first-1');
      await this.commitOffset('first');
      await client.step(end);
      this.held = await holding;
      await waitForTransaction(cluster, name, COMPLETE);
      await client.step('begin');
    }

    async writeSecond(): Promise<void> {
      await this.send(0, 'second-0');
      await this.send(1, 'second-1');
      await this.commitOffset('second');
    }

    async endSecond(end: End): Promise<void> {
      await this.send(0, 'second-2');
      await this.send(1, 'second-3');
      await this.client.step(end);
      await waitForTransaction(cluster, this.name, COMPLETE);
      await reader.step('settle', this.name, PARTITIONS);
    }

    /** Of the request that is late. */
    get version(): number {
      return this.held!.version;
    }

    release(api: ApiName): Promise<string> {
      return release(api, this.held!);
    }

    async contents(): Promise<Contents> {
      return {
        committed: await this.read('read_committed'),
        all: await this.read('read_uncommitted'),
        offset: this.withOffsets
          ? (await committedOffsets(cluster, `${this.name}-group`, this.name, 1))?.[0]
          : undefined,
      };
    }

    /** What must be there when transactions have ended so; `undefined`: the second one is open. */
    expected(first: End, second: End | undefined, written: number): Contents {
      const ofFirst = ['first-0', 'first-1'];
      const ofSecond = Array.from({ length: written }, (_, i) => `second-${i}`);
      const offset =
        second === 'commit' ? OFFSETS.second : first === 'commit' ? OFFSETS.first : OFFSETS.before;
      return {
        committed: [
          'before',
          ...(first === 'commit' ? ofFirst : []),
          ...(second === 'commit' ? ofSecond : []),
        ],
        all: ['before', ...ofFirst, ...ofSecond],
        offset: this.withOffsets ? offset : undefined,
      };
    }

    async read(isolation: string): Promise<string[]> {
      const records = await reader.step('read', isolation, this.name, PARTITIONS);
      return records.map(([, , , value = '']) => value).sort();
    }

    private async send(partition: number, value: string): Promise<void> {
      await this.client.step('send', this.name, partition, value);
    }

    private async commitOffset(of: keyof typeof OFFSETS): Promise<void> {
      if (this.withOffsets) {
        await this.client.step('offsets', `${this.name}-group`, this.name, 0, OFFSETS[of]);
      }
    }
  }

  // Three brokers have the coordinators and the leaders in several places; of the first protocol nothing more is promised
  // there.
  const clients = CLIENTS.filter(({ protocol }) => size === 1 || protocol === 2);

  describe.each(clients)('of $name', ({ name, protocol, apis, start }) => {
    const clientId = name.replaceAll(/[^\w.]+/g, '-');
    let client: StepsProgram;

    beforeAll(async () => {
      client = await start(proxy.bootstrap, clientId);
    });

    afterAll(async () => {
      await client?.close();
    });

    const scenario = () => new Scenario(client, clientId, apis.includes('TxnOffsetCommit'));

    async function leavesTheNext(api: ApiName, moment: Moment, first: End, second: End): Promise<void> {
      const run = scenario();
      await run.runFirst(api, first);
      if (moment === 'written') await run.writeSecond();
      expect.soft(await run.release(api), run.name).toBe(answerTo(protocol, api, run.version, moment));
      if (moment === 'written') {
        expect.soft(await run.contents(), run.name).toEqual(run.expected(first, undefined, 2));
      } else {
        await run.writeSecond();
      }
      await run.endSecond(second);
      expect.soft(await run.contents(), run.name).toEqual(run.expected(first, second, 4));
    }

    describe.each(apis)('a late %s', api => {
      const moments = MOMENTS.filter(moment => !touches(protocol, api, moment));
      const cases = moments.flatMap(moment =>
        ENDS.flatMap(first => {
          const seconds = size === 1 && protocol === 2 ? ENDS : ENDS.filter(end => end !== first);
          return seconds.map(second => [moment, first, second] as const);
        }),
      );

      test.each(cases)(
        'leaves the next transaction as it is: %s, after %s, then %s',
        (moment, first, second) => leavesTheNext(api, moment, first, second),
      );
    });

    test('speaks the protocol that it is taken to speak, and was late each time', () => {
      expect(proxy.heldCount).toBeGreaterThan(0);
      expect(proxy.releasedCount).toBe(proxy.heldCount);
      const versions = [...proxy.countsOf(ApiKeys.END_TXN, clientId).keys()];
      expect(versions.map(version => (version < SECOND_PROTOCOL_END_TXN ? 1 : 2))).toEqual([protocol]);
    });
  });

  test.runIf(size === 1)(`is one of the next transaction at ${TRANSACTION_VERSION} 1`, async () => {
    await setFeature(cluster, TRANSACTION_VERSION, 1);
    const clientId = 'first-protocol';
    const client = await StepsProgram.java('4.3.0', proxy.bootstrap, clientId);
    try {
      for (const first of ENDS) {
        const run = new Scenario(client, clientId, true);
        await run.runFirst('EndTxn', first);
        await run.writeSecond();
        expect(run.version).toBeLessThan(SECOND_PROTOCOL_END_TXN);
        expect(await run.release('EndTxn')).toBe('NONE');
        // The client has not asked for it.
        await waitForTransaction(cluster, run.name, COMPLETE);
        await reader.step('settle', run.name, PARTITIONS);
        expect(await run.contents()).toEqual(run.expected(first, first, 2));
      }
      const run = new Scenario(client, clientId, true);
      await run.runFirst('TxnOffsetCommit', 'abort');
      await run.writeSecond();
      expect(await run.release('TxnOffsetCommit')).toBe('NONE');
      await run.endSecond('commit');
      const expected = run.expected('abort', 'commit', 4);
      expect(await run.contents()).toEqual({ ...expected, offset: OFFSETS.first });
    } finally {
      await client.close();
      await setFeature(cluster, TRANSACTION_VERSION, 2);
    }
  });
});
