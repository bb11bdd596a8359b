import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { activeController, createTopic, electPreferredLeaders } from '../support/cluster-process-admin.ts';
import type { ClusterBenchCase, FigureInfo, Figures } from './bench-case.ts';
import { FailoverProbe } from './failover-probe.ts';
import { producerPerformance, type ProducerShape } from './kafka-tools.ts';

const GB = 1e9;
const MB = 1e6;
const PATIENCE_MS = 300_000;

const MEMORY: FigureInfo = { unit: 'MB', better: 'less', barRatio: 0.5 };

/** The mean over the brokers, in MB. */
function residentMb(cluster: ClusterProcess): number {
  const all = cluster.residentBytes();
  return all.reduce((sum, bytes) => sum + bytes, 0) / all.length / MB;
}

async function createServingTopic(cluster: ClusterProcess, name: string, partitions: number): Promise<void> {
  await createTopic(cluster, { name, partitions, configs: { 'min.insync.replicas': '2' } }, PATIENCE_MS);
  await cluster.waitUntilHealthy([name], PATIENCE_MS);
}

function producerCase(name: string, about: string, shape: ProducerShape): ClusterBenchCase {
  return {
    name,
    about,
    figures: {
      'records per second': { unit: 'records/s', better: 'more', barRatio: 2 },
      throughput: { unit: 'MB/s', better: 'more' },
      'CPU of all brokers': { unit: 's/GB', better: 'less', barRatio: 0.33 },
      'latency p50': { unit: 'ms', better: 'less' },
      'latency p99': { unit: 'ms', better: 'less' },
      'resident memory of a broker': MEMORY,
    },
    async runOnCluster({ cluster, scale }) {
      await createServingTopic(cluster, 'load', shape.partitions);
      const records = Math.ceil(shape.records * scale.share);
      const warmUp = { ...shape, records: Math.ceil(records / 5) };
      await producerPerformance(cluster.bootstrap, 'load', warmUp);
      const cpuBefore = cluster.cpuSeconds();
      const result = await producerPerformance(cluster.bootstrap, 'load', { ...shape, records });
      const cpu = cluster.cpuSeconds() - cpuBefore;
      return {
        'records per second': result.recordsPerSecond,
        throughput: (result.recordsPerSecond * shape.recordBytes) / MB,
        'CPU of all brokers': cpu / ((records * shape.recordBytes) / GB),
        'latency p50': result.p50,
        'latency p99': result.p99,
        'resident memory of a broker': residentMb(cluster),
      };
    },
  };
}

const PACE = 5_000;

const latency: ClusterBenchCase = {
  name: 'cluster-latency',
  about: 'ProducerPerformance at 5,000 records/s of 1 KB over 6 partitions, acks=all, 3 replicas',
  figures: {
    p50: { unit: 'ms', better: 'less' },
    p99: { unit: 'ms', better: 'less', barRatio: 0.5 },
    'p99.9': { unit: 'ms', better: 'less' },
    'CPU of all brokers': { unit: 's/s', better: 'less' },
  },
  async runOnCluster({ cluster, scale }) {
    await createServingTopic(cluster, 'latency', 6);
    const shape = { recordBytes: 1000, partitions: 6, throughput: PACE };
    const records = PACE * scale.seconds * 2;
    await producerPerformance(cluster.bootstrap, 'latency', {
      ...shape,
      records: PACE * scale.warmUpSeconds * 2,
    });
    const cpuBefore = cluster.cpuSeconds();
    const { p50, p99, p999 } = await producerPerformance(cluster.bootstrap, 'latency', { ...shape, records });
    const cpu = (cluster.cpuSeconds() - cpuBefore) / (records / PACE);
    return { p50, p99, 'p99.9': p999, 'CPU of all brokers': cpu };
  },
};

const start: ClusterBenchCase = {
  name: 'cluster-start',
  about: 'three empty, formatted directories, all nodes at once',
  figures: {
    'every broker in its own Metadata': { unit: 'ms', better: 'less' },
    'resident memory of a broker, idle': MEMORY,
  },
  async runOnCluster({ cluster, scale, startMs }) {
    await sleep(scale.settleMs);
    return {
      'every broker in its own Metadata': startMs,
      'resident memory of a broker, idle': residentMb(cluster),
    };
  },
};

/** The shares are exact for few values: the 99th percentile of ten is the largest. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

const failover: ClusterBenchCase = {
  name: 'cluster-failover',
  about: 'time without acknowledged writes after kill -9 of a leader, sessions of 3 s on both',
  properties: {
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '3000',
    'auto.leader.rebalance.enable': 'false',
  },
  figures: {
    'leader, p50': { unit: 'ms', better: 'less', barRatio: 1 },
    'leader, p99': { unit: 'ms', better: 'less', barRatio: 1 },
    'leader and active controller, p50': { unit: 'ms', better: 'less', barRatio: 1 },
    'leader and active controller, p99': { unit: 'ms', better: 'less', barRatio: 1 },
  },
  async runOnCluster({ cluster, scale }) {
    const ids = cluster.brokers.map(({ id }) => id);
    // Partition n is led by broker n: whoever is killed leads one.
    const assignments = ids.map(id => [id, ...ids.filter(other => other !== id)]);
    const configs = { 'min.insync.replicas': '2' };
    await createTopic(cluster, { name: 'probe', partitions: ids.length, assignments, configs });
    await cluster.waitUntilHealthy(['probe']);
    const leaders: number[] = [];
    const controllers: number[] = [];
    for (let turn = 0; turn < scale.failovers; turn++) {
      leaders.push(await timeFailover(cluster, ids, 'leader'));
      controllers.push(await timeFailover(cluster, ids, 'controller'));
    }
    return {
      'leader, p50': percentile(leaders, 0.5),
      'leader, p99': percentile(leaders, 0.99),
      'leader and active controller, p50': percentile(controllers, 0.5),
      'leader and active controller, p99': percentile(controllers, 0.99),
    };
  },
};

async function timeFailover(
  cluster: ClusterProcess,
  ids: readonly number[],
  what: 'leader' | 'controller',
): Promise<number> {
  await electPreferredLeaders(cluster, 'probe');
  const controller = await activeController(cluster);
  const victim = what === 'controller' ? controller : (ids.find(id => id !== controller) ?? controller);
  const probe = new FailoverProbe(cluster, 'probe', ids.indexOf(victim));
  try {
    await probe.acknowledged(PATIENCE_MS);
    // Where in its interval the last heartbeat fell must not be alike every time.
    await sleep(1_000 + Math.random() * 500);
    probe.takeLongest();
    await cluster.node(victim).process.kill();
    await probe.acknowledged(PATIENCE_MS);
    // Two acknowledgements: the first may have been on its way when the process ended.
    await sleep(200);
    await probe.acknowledged(PATIENCE_MS);
    const longest = probe.takeLongest();
    await cluster.node(victim).process.start();
    await cluster.waitUntilHealthy(['probe']);
    return longest;
  } finally {
    await probe.stop();
  }
}

const TOPICS = 10;

const manyPartitions: ClusterBenchCase = {
  name: 'cluster-partitions',
  about: '10 topics of 1,000 partitions with 3 replicas each',
  // Kafka's own defaults: a start with so many partitions may take longer than a short session.
  properties: { 'broker.heartbeat.interval.ms': '2000', 'broker.session.timeout.ms': '9000' },
  figures: {
    creation: { unit: 'ms', better: 'less' },
    'resident memory of a broker': MEMORY,
    'clean stop of a broker': { unit: 'ms', better: 'less' },
    'its start until all is in sync': { unit: 'ms', better: 'less' },
    'full restart of a broker': { unit: 'ms', better: 'less', barRatio: 1 },
    'controller failover, first metadata write': { unit: 'ms', better: 'less', barRatio: 1 },
    'controller failover, every partition led': { unit: 'ms', better: 'less', barRatio: 1 },
    'resident memory after all that': MEMORY,
  },
  async runOnCluster({ cluster, scale }) {
    const names = Array.from({ length: TOPICS }, (_, index) => `wide-${index}`);
    const creation = await timed(async () => {
      for (const name of names) {
        await createTopic(cluster, { name, partitions: scale.partitionsPerTopic }, PATIENCE_MS);
      }
      await cluster.waitUntilHealthy(names, PATIENCE_MS);
    });
    await sleep(scale.settleMs);
    const resident = residentMb(cluster);
    const controller = await activeController(cluster);
    const other = cluster.brokers.find(({ id }) => id !== controller);
    if (other === undefined) throw new Error('there is no broker beside the controller');
    const stop = await other.process.stop();
    const restart = await timed(async () => {
      await other.process.start();
      await cluster.waitUntilHealthy(names, PATIENCE_MS);
    });
    const failed = await controllerFailover(cluster, names);
    return {
      creation,
      'resident memory of a broker': resident,
      'clean stop of a broker': stop,
      'its start until all is in sync': restart,
      'full restart of a broker': stop + restart,
      ...failed,
      'resident memory after all that': residentMb(cluster),
    };
  },
};

/** kill -9 of the active controller, a broker too, until metadata can be written and until every partition is led. */
async function controllerFailover(cluster: ClusterProcess, names: readonly string[]): Promise<Figures> {
  const controller = await activeController(cluster);
  const node = cluster.node(controller);
  await node.process.kill();
  const killedAt = performance.now();
  const written = createTopic(cluster, { name: 'after', partitions: 1, replicationFactor: 1 }, PATIENCE_MS);
  const led = cluster.eventually('leaders other than the lost broker', PATIENCE_MS, async () => {
    const { topics } = await cluster.metadata(names);
    const partitions = topics.flatMap(topic => topic.partitions);
    const done = partitions.every(({ leaderId }) => leaderId >= 0 && leaderId !== controller);
    return done ? true : undefined;
  });
  const since = async (work: Promise<unknown>) => {
    await work;
    return performance.now() - killedAt;
  };
  const [firstWrite, everyLeader] = await Promise.all([since(written), since(led)]);
  await node.process.start();
  await cluster.waitUntilHealthy(names, PATIENCE_MS);
  return {
    'controller failover, first metadata write': firstWrite,
    'controller failover, every partition led': everyLeader,
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

export const CLUSTER_CASES: readonly ClusterBenchCase[] = [
  producerCase(
    'cluster-produce-1kx6',
    'ProducerPerformance, 1 KB records over 6 partitions, acks=all, 3 replicas, 2 in sync',
    { recordBytes: 1000, partitions: 6, records: 1_000_000 },
  ),
  producerCase(
    'cluster-produce-100x6',
    'ProducerPerformance, 100 B records over 6 partitions, acks=all, 3 replicas, 2 in sync',
    { recordBytes: 100, partitions: 6, records: 5_000_000 },
  ),
  latency,
  start,
  failover,
  manyPartitions,
];
