import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runKafkaTool } from '../support/apache-kafka.ts';
import { type StartedTarget, startTarget, temporaryFolder } from '../support/broker-target.ts';
import { runJava } from '../support/client-tools.ts';
import { createTopic, tabbedLines } from '../clients/records.ts';
import { allFiles, complaintsIn, dump } from './dump-log-segments.ts';
import { FILLED_GROUP, FILLED_TOPIC, fillBroker } from './fill-broker.ts';

const RECORDS = 3_000;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const BATCHES = 12;

let target: StartedTarget;
let files: string[];
const copies = temporaryFolder('dump');

beforeAll(async () => {
  target = await startTarget('dump', { properties: { 'offsets.topic.num.partitions': '3' } });
  const { broker } = target;
  await fillBroker(broker, 'dump', BATCHES);
  await createTopic(broker.bootstrap, 'segments', 2, {
    'segment.bytes': '1048576',
    'index.interval.bytes': '1024',
  });
  for (const codec of CODECS) {
    const config = [`compression.type=${codec}`, 'batch.size=2048'];
    await runJava('producer', '4.3.0', [broker.bootstrap, 'segments', '2', `${RECORDS}`, codec, ...config]);
  }
  // Enough for several segments of the smallest size that Kafka allows.
  const shape = [
    '--record-size',
    '1000',
    '--throughput',
    '-1',
    '--num-records',
    '6000',
    '--topic',
    'segments',
  ];
  const args = ['--bootstrap-server', broker.bootstrap, ...shape];
  await runKafkaTool('org.apache.kafka.tools.ProducerPerformance', args);
  // Without a clean stop, segments are as the running broker left them; the kill comes after a restart.
  await broker.kill();
  await broker.start();
  await broker.stop();
  files = allFiles(broker.dataDirectory);
});

afterAll(async () => {
  await target?.dispose();
  copies.remove();
});

function filesOf(topicPrefix: string, suffix: string): string[] {
  const found = files.filter(
    path => path.endsWith(suffix) && basename(dirname(path)).startsWith(topicPrefix),
  );
  expect(found, `files *${suffix} of ${topicPrefix}`).not.toEqual([]);
  return found;
}

describe('DumpLogSegments of Apache Kafka 4.3', () => {
  test('reads every record of every segment', async () => {
    const text = await dump(filesOf('segments-', '.log'), '--deep-iteration', '--print-data-log');
    expect(complaintsIn(text)).toEqual([]);
    expect(filesOf('segments-', '.log').length).toBeGreaterThan(4);
    expect(text.match(/^\| offset: /gm)).toHaveLength(RECORDS * CODECS.length + 6_000);
    for (const codec of CODECS) expect(text).toMatch(new RegExp(`compresscodec: ${codec}`));
    const orders = await dump(filesOf(`${FILLED_TOPIC}-`, '.log'), '--deep-iteration');
    expect(complaintsIn(orders)).toEqual([]);
    expect(orders.match(/^\| offset: /gm)).toHaveLength(BATCHES * 30);
  });

  test('finds every index in agreement with its log', async () => {
    const indexes = [...filesOf('segments-', '.index'), ...filesOf('segments-', '.timeindex')];
    expect(complaintsIn(await dump(indexes))).toEqual([]);
    expect(complaintsIn(await dump(indexes, '--verify-index-only'))).toEqual([]);
    const sane = await dump(filesOf('segments-', '.index'), '--index-sanity-check');
    expect(sane.match(/passed sanity check/g)).toHaveLength(filesOf('segments-', '.index').length);
    expect(filesOf('segments-', '.index').filter(path => statSync(path).size > 0).length).toBeGreaterThan(2);
  });

  test('reads every producer snapshot', async () => {
    const text = await dump(filesOf('segments-', '.snapshot'));
    expect(complaintsIn(text)).toEqual([]);
    expect(text).toMatch(/producerId: \d+ producerEpoch: 0/);
  });

  test('reads the metadata log and its snapshots', async () => {
    const paths = files.filter(
      path => path.includes('__cluster_metadata-0') && /\.(log|checkpoint)$/.test(path),
    );
    const text = await dump(paths, '--cluster-metadata-decoder');
    expect(complaintsIn(text)).toEqual([]);
    expect(text).not.toContain('Could not deserialize');
    for (const type of ['TOPIC_RECORD', 'PARTITION_RECORD', 'CONFIG_RECORD', 'REGISTER_BROKER_RECORD']) {
      expect(text).toContain(`"type":"${type}"`);
    }
    expect(text).toContain('"type":"REMOVE_TOPIC_RECORD"');
    expect(text).toContain('"type":"FEATURE_LEVEL_RECORD"');
  });

  test('reads groups and commits in the offsets topic', async () => {
    const text = await dump(filesOf('__consumer_offsets-', '.log'), '--offsets-decoder', '--deep-iteration');
    expect(complaintsIn(text)).toEqual([]);
    expect(text).toContain(`"group":"${FILLED_GROUP}","topic":"${FILLED_TOPIC}"`);
    expect(text).toMatch(/"protocolType":"consumer"/);
  });

  test('complains about a damaged log and a damaged index, so its silence says something', async () => {
    const log = filesOf('segments-0', '.log')[0] ?? '';
    const index = log.replace('.log', '.index');
    const folder = join(copies.path, 'segments-0');
    mkdirSync(folder);
    const damage = (path: string, position: number) => {
      const copy = join(folder, basename(path));
      const bytes = readFileSync(path);
      bytes[position] = (bytes[position] ?? 0) ^ 0x10;
      writeFileSync(copy, bytes);
      return copy;
    };
    const badLog = damage(log, 150);
    expect(complaintsIn(await dump([badLog], '--deep-iteration'))).not.toEqual([]);
    copyFileSync(log, badLog);
    const badIndex = damage(index, 15);
    expect(complaintsIn(await dump([badIndex]))).not.toEqual([]);
  });

  test('every acknowledged record is in the dump of a topic written once', async () => {
    const { broker } = target;
    await broker.start();
    await createTopic(broker.bootstrap, 'once', 1);
    const args = [broker.bootstrap, 'once', '1', '500', 'once', 'compression.type=zstd'];
    const acked = tabbedLines((await runJava('producer', '4.3.0', args)).stdout);
    await broker.stop();
    const log = join(broker.dataDirectory, 'once-0', '00000000000000000000.log');
    const text = await dump([log], '--deep-iteration', '--print-data-log');
    const dumped = [...text.matchAll(/^\| offset: (\d+) .*?key: (k\d+) payload/gm)].map(match => [
      '0',
      match[1],
      match[2],
    ]);
    expect(dumped).toEqual(acked);
  });
});
