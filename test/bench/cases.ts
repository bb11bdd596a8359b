import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { answersMetadata } from '../support/broker-process.ts';
import { compileJava } from '../support/client-tools.ts';
import { runCommand } from '../support/run-command.ts';
import type { AnyBenchCase, BenchCase, FigureInfo, Figures } from './bench-case.ts';
import { createServingTopics, load, waitForLeaders } from './bench-client.ts';
import { CLUSTER_CASES } from './cluster-cases.ts';
import { compaction } from './compaction-case.ts';
import { CLIENT_FLAGS, consumerPerformance, producerPerformance, type ProducerShape } from './kafka-tools.ts';
import { plainBatch, produceFrame } from './load-generator.ts';
import { TRANSACTION_CASES } from './transaction-cases.ts';

const GB = 1e9;
const MB = 1e6;

function producerCase(
  name: string,
  about: string,
  shape: ProducerShape,
  bars: { recordsPerSecond: number; cpu: number },
): BenchCase {
  const perSecond: FigureInfo = { unit: 'records/s', better: 'more', barRatio: bars.recordsPerSecond };
  return {
    name,
    about,
    figures: {
      'records per second': perSecond,
      throughput: { unit: 'MB/s', better: 'more' },
      'broker CPU': { unit: 's/GB', better: 'less', barRatio: bars.cpu },
      'latency p50': { unit: 'ms', better: 'less' },
      'latency p99': { unit: 'ms', better: 'less' },
      'latency p99.9': { unit: 'ms', better: 'less' },
      'resident memory': { unit: 'MB', better: 'less' },
    },
    async run({ broker, scale }) {
      await createServingTopics(broker.port, ['load'], shape.partitions);
      const records = Math.ceil(shape.records * scale.share);
      await producerPerformance(broker.bootstrap, 'load', { ...shape, records: Math.ceil(records / 5) });
      const cpuBefore = broker.cpuSeconds();
      const result = await producerPerformance(broker.bootstrap, 'load', { ...shape, records });
      const cpu = broker.cpuSeconds() - cpuBefore;
      return {
        'records per second': result.recordsPerSecond,
        throughput: (result.recordsPerSecond * shape.recordBytes) / MB,
        'broker CPU': cpu / ((records * shape.recordBytes) / GB),
        'latency p50': result.p50,
        'latency p99': result.p99,
        'latency p99.9': result.p999,
        'resident memory': broker.residentBytes() / MB,
      };
    },
  };
}

const RAW = { topic: 'raw', connections: 4, window: 5, recordBytes: 100, recordsPerRequest: 160 } as const;

const rawProduce: BenchCase = {
  name: 'raw-produce',
  about: 'prebuilt requests of 160 records of 100 B, acks=all, 4 connections, 5 in flight on each',
  figures: {
    throughput: { unit: 'MB/s', better: 'more', barRatio: 2 },
    'broker CPU': { unit: 's/GB', better: 'less', barRatio: 1 / 3 },
    'latency p50': { unit: 'ms', better: 'less' },
    'latency p99': { unit: 'ms', better: 'less', barRatio: 1 },
    'latency p99.9': { unit: 'ms', better: 'less' },
    'resident memory': { unit: 'MB', better: 'less' },
  },
  async run({ broker, scale }) {
    await createServingTopics(broker.port, [RAW.topic], RAW.connections);
    const options = {
      ...RAW,
      kind: 'produce',
      port: broker.port,
      maxBytes: Number.MAX_SAFE_INTEGER,
    } as const;
    await load({ ...options, maxSeconds: scale.warmUpSeconds });
    const cpuBefore = broker.cpuSeconds();
    const result = await load({ ...options, maxSeconds: scale.seconds });
    const cpu = broker.cpuSeconds() - cpuBefore;
    return {
      throughput: result.bytes / MB / result.seconds,
      'broker CPU': cpu / (result.bytes / GB),
      'latency p50': result.p50Ms,
      'latency p99': result.p99Ms,
      'latency p99.9': result.p999Ms,
      'resident memory': broker.residentBytes() / MB,
    };
  },
};

const rawFetch: BenchCase = {
  name: 'raw-fetch',
  about: 'fetches of up to 1 MiB from the start of 1 GB, 4 connections',
  figures: {
    throughput: { unit: 'MB/s', better: 'more' },
    'broker CPU': { unit: 's/GB', better: 'less' },
    'latency p50': { unit: 'ms', better: 'less' },
    'latency p99': { unit: 'ms', better: 'less' },
  },
  async run({ broker, scale }) {
    await createServingTopics(broker.port, [RAW.topic], RAW.connections);
    const options = { ...RAW, port: broker.port, maxSeconds: 120 };
    await load({ ...options, kind: 'produce', maxBytes: GB * scale.share });
    const fetch = { ...options, kind: 'fetch', maxBytes: Number.MAX_SAFE_INTEGER } as const;
    await load({ ...fetch, maxSeconds: scale.warmUpSeconds });
    const cpuBefore = broker.cpuSeconds();
    const result = await load({ ...fetch, maxSeconds: scale.seconds });
    const cpu = broker.cpuSeconds() - cpuBefore;
    return {
      throughput: result.bytes / MB / result.seconds,
      'broker CPU': cpu / (result.bytes / GB),
      'latency p50': result.p50Ms,
      'latency p99': result.p99Ms,
    };
  },
};

const consume: BenchCase = {
  name: 'consume',
  about: 'ConsumerPerformance over 100 B records in 6 partitions',
  figures: {
    throughput: { unit: 'MB/s', better: 'more', barRatio: 1 },
    'records per second': { unit: 'records/s', better: 'more' },
    'broker CPU': { unit: 's/GB', better: 'less' },
  },
  async run({ broker, scale, workDirectory }) {
    await createServingTopics(broker.port, ['load'], 6);
    const shape = { recordBytes: 100, partitions: 6, records: 10_000_000 };
    const records = Math.ceil(shape.records * scale.share);
    await producerPerformance(broker.bootstrap, 'load', { ...shape, records });
    const configFile = join(workDirectory, 'consumer.properties');
    writeFileSync(configFile, 'auto.offset.reset=earliest\n');
    const once = () => consumerPerformance(broker.bootstrap, 'load', records, configFile);
    await once();
    const cpuBefore = broker.cpuSeconds();
    const { mbPerSecond, recordsPerSecond } = await once();
    const cpu = broker.cpuSeconds() - cpuBefore;
    return {
      throughput: mbPerSecond,
      'records per second': recordsPerSecond,
      'broker CPU': cpu / ((records * shape.recordBytes) / GB),
    };
  },
};

const latency: BenchCase = {
  name: 'latency',
  about: 'from send to poll at 1,000 records/s, acks=all, one partition',
  figures: {
    p50: { unit: 'ms', better: 'less', barRatio: 1 },
    p99: { unit: 'ms', better: 'less', barRatio: 1 },
    'p99.9': { unit: 'ms', better: 'less' },
  },
  async run({ broker, scale }) {
    await createServingTopics(broker.port, ['latency'], 1);
    const classPath = await compileJava('latency', '4.3.0');
    const seconds = [`${scale.warmUpSeconds * 2}`, `${scale.seconds * 2}`];
    const args = [...CLIENT_FLAGS, '-cp', classPath, 'Main', broker.bootstrap, 'latency', '1000', ...seconds];
    const { stdout } = await runCommand('java', args, { timeoutMs: 180_000 });
    const [p50 = 0, p99 = 0, p999 = 0] = stdout.trim().split('\t').map(Number);
    return { p50: p50 / 1000, p99: p99 / 1000, 'p99.9': p999 / 1000 };
  },
};

const start: BenchCase = {
  name: 'start',
  about: 'an empty, formatted directory',
  figures: {
    'first Metadata answer': { unit: 'ms', better: 'less', barRatio: 0.25, barValue: 500 },
    'resident memory, idle': { unit: 'MB', better: 'less', barValue: 90 },
    'clean stop': { unit: 'ms', better: 'less' },
  },
  async run({ broker, scale, startMs }) {
    await sleep(scale.settleMs);
    const idle = broker.residentBytes() / MB;
    const stopMs = await broker.stop();
    return { 'first Metadata answer': startMs, 'resident memory, idle': idle, 'clean stop': stopMs };
  },
};

const memory: BenchCase = {
  name: 'memory',
  about: 'resident memory after record batches went through by Produce and Fetch',
  figures: {
    'after 5 GB': { unit: 'MB', better: 'less', barValue: 300 },
    'after 10 GB': { unit: 'MB', better: 'less' },
  },
  async run({ broker, scale }) {
    await createServingTopics(broker.port, [RAW.topic], RAW.connections);
    const options = { ...RAW, port: broker.port, maxSeconds: 300 };
    const figures: Figures = {};
    for (const name of ['after 5 GB', 'after 10 GB']) {
      await load({ ...options, kind: 'produce', maxBytes: 5 * GB * scale.share });
      await load({ ...options, kind: 'fetch', maxBytes: GB * scale.share });
      figures[name] = broker.residentBytes() / MB;
    }
    return figures;
  },
};

const manyPartitions: BenchCase = {
  name: 'partitions',
  about: '10 topics of 1,000 partitions on one node',
  figures: {
    creation: { unit: 'ms', better: 'less', barRatio: 0.3 },
    'first 8 KiB to each of 500': { unit: 'ms', better: 'less', barRatio: 0.2 },
    'resident memory': { unit: 'MB', better: 'less', barRatio: 0.25 },
    'clean stop': { unit: 'ms', better: 'less', barRatio: 0.3 },
    restart: { unit: 'ms', better: 'less', barRatio: 0.3 },
    'resident memory after the restart': { unit: 'MB', better: 'less' },
  },
  async run({ broker, scale }) {
    const names = Array.from({ length: 10 }, (_, i) => `wide-${i}`);
    const partitions = scale.partitionsPerTopic;
    const creation = await timed(() => createServingTopics(broker.port, names, partitions));
    const written = Math.min(500, partitions);
    const firstBytes = await timed(() => writeToEach(broker.port, names[0] ?? '', written));
    const resident = broker.residentBytes() / MB;
    const stop = await broker.stop();
    const restart = await timed(async () => {
      await broker.start();
      await waitForLeaders(broker.port, names, partitions);
    });
    return {
      creation,
      'first 8 KiB to each of 500': firstBytes,
      'resident memory': resident,
      'clean stop': stop,
      restart,
      'resident memory after the restart': broker.residentBytes() / MB,
    };
  },
};

const IDLE = 'each idle connection';

const connections: BenchCase = {
  name: 'connections',
  about: '5,000 connections that asked once and then keep still',
  figures: { [IDLE]: { unit: 'KB', better: 'less', barValue: 20 } },
  async run({ broker, scale }) {
    // A first burst, so that what the runtime allocates once is not counted as the connections' own.
    for (let i = 0; i < 20; i++) await answersMetadata(broker.port, 5_000);
    await sleep(scale.settleMs);
    const before = broker.residentBytes();
    const sockets: Socket[] = [];
    // ApiVersions v0, correlation id 1, null client id.
    const request = Buffer.from('0000000a00120000000000 01ffff'.replaceAll(' ', ''), 'hex');
    for (let i = 0; i < scale.idleConnections; i++) sockets.push(await askOnce(broker.port, request));
    await sleep(scale.settleMs);
    const each = (broker.residentBytes() - before) / scale.idleConnections;
    for (const socket of sockets) socket.destroy();
    return { [IDLE]: Math.max(0, each) / 1000 };
  },
};

function askOnce(port: number, request: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the broker closed an idle connection')));
    socket.once('data', () => resolve(socket));
  });
}

/** One batch of 8 KiB to each of the first partitions, five requests in flight. */
async function writeToEach(port: number, topic: string, partitions: number): Promise<void> {
  const records = plainBatch(8_100, 1);
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    let received = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1', () => {
      for (let i = 0; i < Math.min(5, partitions); i++) send();
    });
    const send = () => socket.write(produceFrame(topic, sent++, records));
    socket.on('error', reject);
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        // Size, correlation id, count, name, count and index stand before the error code.
        const errorCode = received.readInt16BE(8 + 4 + 2 + topic.length + 4 + 4);
        received = received.subarray(4 + received.readInt32BE(0));
        if (errorCode !== 0) return reject(new Error(`Produce was answered with error ${errorCode}`));
        answered++;
        if (sent < partitions) send();
      }
      if (answered < partitions) return;
      socket.destroy();
      resolve();
    });
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

export const CASES: readonly AnyBenchCase[] = [
  producerCase(
    'produce-100x6',
    'ProducerPerformance, 100 B records over 6 partitions, default producer',
    { recordBytes: 100, partitions: 6, records: 10_000_000 },
    { recordsPerSecond: 1.4, cpu: 0.35 },
  ),
  producerCase(
    'produce-1kx1',
    'ProducerPerformance, 1 KB records over one partition, default producer',
    { recordBytes: 1000, partitions: 1, records: 1_500_000 },
    { recordsPerSecond: 1.6, cpu: 0.4 },
  ),
  producerCase(
    'produce-1kx6-64k',
    'ProducerPerformance, 1 KB records over 6 partitions, batch.size=65536',
    { recordBytes: 1000, partitions: 6, records: 2_000_000, config: ['batch.size=65536'] },
    { recordsPerSecond: 1.4, cpu: 0.5 },
  ),
  rawProduce,
  rawFetch,
  consume,
  latency,
  start,
  memory,
  manyPartitions,
  connections,
  compaction,
  ...TRANSACTION_CASES,
  ...CLUSTER_CASES,
];
