import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeRuntime } from '../../../src/runtime/node/node-runtime.ts';
import { TestBroker } from '../../support/test-broker.ts';
import { CompressionType } from '../../../src/compression/compression-type.ts';
import type { CheckOptions, Violation } from '../checkers/checker.ts';
import { checkClientAnomalies, checkWatermarks } from '../checkers/client-anomalies.ts';
import type { FinalState } from '../checkers/final-state.ts';
import { History } from '../checkers/history.ts';
import { checkMetadataLinearizable } from '../checkers/metadata-linearizability.ts';
import { SimRandom } from '../sim-random.ts';
import { ClusterClient } from './cluster-client.ts';
import { SimAdmin } from './sim-admin.ts';
import { SimConsumer } from './sim-consumer.ts';
import { type ProducerSettings, SimProducer } from './sim-producer.ts';
import { finalConsumer } from './swarm.ts';
import { acknowledgedEnds } from './workload.ts';

const AT_REST: CheckOptions = { lossAllowed: false, uncleanElections: false, atRest: true, lateBytes: false };
const NOTHING_LEFT: FinalState = { atMs: 0, replicas: [], metadataLogs: [], partitions: [], up: [] };

const PRODUCER: ProducerSettings = {
  topics: [],
  acks: -1,
  idempotent: true,
  maxInFlight: 5,
  deliveryTimeoutMs: 20_000,
  retryBackoffMs: 10,
  produceTimeoutMs: 5_000,
  thinkMs: 1,
  maxBatchRecords: 5,
  valueBytes: 40,
  compression: CompressionType.NONE,
  maxVersion: 13,
  misbehaves: 0,
  maxBatches: 100,
};

describe('the clients of the simulator on one real node', () => {
  let broker: TestBroker;
  const runtime = new NodeRuntime();

  beforeAll(async () => {
    broker = await TestBroker.start();
  });

  afterAll(async () => {
    await broker.close();
    await runtime.executor.close();
  });

  function clusterClient(name: string, topics: readonly string[], history: History): ClusterClient {
    return new ClusterClient(
      {
        name,
        runtime,
        random: new SimRandom(name.length, name),
        bootstrap: [{ host: broker.host, port: broker.port }],
        requestTimeoutMs: 10_000,
        metadataMaxAgeMs: 500,
        onProtocolError: text => history.record(name, { kind: 'protocolError', text }),
      },
      topics,
    );
  }

  async function run(
    topic: string,
    settings: Partial<ProducerSettings>,
    consumer: Partial<ReturnType<typeof finalConsumer>> = {},
  ): Promise<{ history: History; violations: Violation[] }> {
    const startMs = performance.now();
    const history = new History(() => performance.now() - startMs);
    const dataTopics = [{ topic, partitions: 2, configs: [] }];
    const admin = new SimAdmin(
      clusterClient('admin-1', [topic], history),
      {
        dataTopics,
        otherTopics: [],
        shortLived: [`${topic}-fleeting`],
        replicationFactor: 1,
        thinkMs: 10,
        reassigns: false,
        elects: false,
        altersConfigs: true,
      },
      history,
      true,
    );
    const producer = new SimProducer(
      clusterClient('producer-1', [topic], history),
      { ...PRODUCER, topics: [topic], ...settings },
      history,
    );
    const reader = new SimConsumer(
      clusterClient('consumer-1', [topic], history),
      { ...finalConsumer([topic], false), fetchMaxWaitMs: 20, ...consumer },
      history,
    );
    admin.start();
    producer.start();
    reader.start();
    const batches = settings.maxBatches ?? PRODUCER.maxBatches;
    while ([...history.of('send')].length < batches) await new Promise(resolve => setTimeout(resolve, 5));
    await producer.stop();
    await admin.stop();
    await reader.readTo(acknowledgedEnds(history));
    const checks = [checkClientAnomalies, checkWatermarks, checkMetadataLinearizable];
    return { history, violations: checks.flatMap(check => check(history, NOTHING_LEFT, AT_REST)) };
  }

  it('an idempotent producer writes every batch once and a consumer reads them all', async () => {
    const { history, violations } = await run('plain', {});
    expect(violations).toEqual([]);
    const polled = new Set(
      [...history.of('poll')].flatMap(({ records }) => records.map(({ value }) => value)),
    );
    const sent = [...history.of('send')].flatMap(({ values }) => values);
    expect(polled).toEqual(new Set(sent));
    // One more in each of the two partitions shows at the end that they take records.
    expect([...history.of('sent')].length).toBe(PRODUCER.maxBatches + 2);
  });

  it('connections that are cut and requests that are sent twice lead to no anomaly', async () => {
    const { history, violations } = await run(
      'rude',
      { misbehaves: 0.3, maxBatches: 200 },
      { misbehaves: 0.3, seeks: 1, partitionMaxBytes: 100 },
    );
    expect(violations).toEqual([]);
    expect([...history.of('position')].some(({ reason }) => reason === 'seek')).toBe(true);
  });

  it.each([
    [7, 4],
    [9, 11],
    [13, 12],
    [13, 17],
  ])('Produce v%i and Fetch v%i work', async (produce, fetch) => {
    const { violations } = await run(
      `version-${produce}-${fetch}`,
      { maxVersion: produce, maxBatches: 30, compression: CompressionType.GZIP },
      { maxVersion: fetch, sessions: fetch !== 4 },
    );
    expect(violations).toEqual([]);
  });

  it('a producer without a producer id gives a batch up rather than write it twice', async () => {
    const { violations } = await run('no-id', { idempotent: false, acks: 1, misbehaves: 0.3 });
    expect(violations).toEqual([]);
  });

  it('topics come and go, and all answers fit one order', async () => {
    const { history } = await run('admin', { maxBatches: 150, thinkMs: 4 });
    const calls = [...history.of('admin')].map(({ call }) => call.name);
    expect(calls).toEqual(expect.arrayContaining(['createTopic', 'deleteTopic']));
    expect([...history.of('adminDone')].every(({ definite }) => definite)).toBe(true);
  });
});
