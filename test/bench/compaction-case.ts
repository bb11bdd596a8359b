import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import { WireClient } from '../oracle/wire-client.ts';
import { activeSegmentStart, cleanedUpTo, segmentFiles } from '../support/log-directory-files.ts';
import { runCommand } from '../support/run-command.ts';
import type { BenchCase } from './bench-case.ts';
import { createServingTopics } from './bench-client.ts';
import { fillWithKeys, KEYED_RECORD_BYTES } from './keyed-records.ts';
import { PacedProducer } from './paced-producer.ts';

const GB = 1e9;
const MB = 1e6;
const TOPIC = 'compacted';
const BESIDE = 'beside';
const RECORDS = 10_000_000;
const SEGMENTS = 10;
const SEGMENT_BYTES_MAX = 1_073_741_824;
const LOOK_EVERY_MS = 20;
const PATIENCE_MS = 900_000;
const TOPIC_RESOURCE = 2;
const SET = 0;

/** What of a log the cleaner may work on: all but its last segment. */
interface CleanablePart {
  readonly bytes: number;
  /** Where the last segment begins. */
  readonly endOffset: number;
}

function cleanablePart(dataDirectory: string): CleanablePart {
  const folder = join(dataDirectory, `${TOPIC}-0`);
  const files = segmentFiles(dataDirectory, TOPIC, 0).slice(0, -1);
  const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return { bytes, endOffset: activeSegmentStart(dataDirectory, TOPIC, 0) };
}

async function setDirtyRatio(port: number, value: string): Promise<void> {
  const client = await WireClient.open(port, 60_000);
  const configs = [{ name: 'min.cleanable.dirty.ratio', configOperation: SET, value }];
  const answer = await client.send(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, 1, {
    resources: [{ resourceType: TOPIC_RESOURCE, resourceName: TOPIC, configs }],
    validateOnly: false,
  });
  client.close();
  const code = answer.responses[0]?.errorCode;
  if (code !== 0) throw new Error(`changing ${TOPIC} was answered with error ${code}`);
}

function p99(latencies: readonly number[]): number {
  return latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN;
}

/** Removes what is left of a load from the disk's queue, so that the next figure is not about it. */
async function writeBack(): Promise<void> {
  await runCommand('sync', [], { timeoutMs: 300_000 });
}

/**
 * A log that was never cleaned, cleaned once from its start to its last segment. Until then its dirty ratio, 1, is not
 * above the one that it wants, 1; that is then lowered, and the time counts until the cleaner's own checkpoint says that
 * it has come to the last segment. Both brokers write that when a cleaning is over, so it is measured alike, whatever
 * number of cleanings it takes. The memory for keys is the same for both and holds all keys in both: 24 bytes a key in
 * Apache Kafka, 12 here.
 */
export const compaction: BenchCase = {
  name: 'compaction',
  about: '10 GB of 1 KB records, keys drawn from 10 million, one cleaner thread, 256 MiB for keys',
  properties: {
    'log.cleaner.threads': '1',
    'log.cleaner.dedupe.buffer.size': `${256 * 1024 * 1024}`,
    'log.cleaner.backoff.ms': '100',
    'log.segment.delete.delay.ms': '1000',
  },
  figures: {
    cleaned: { unit: 'MB/s', better: 'more', barRatio: 0.7 },
    'what is left': { unit: '% of bytes', better: 'less' },
    'broker CPU': { unit: 's/GB', better: 'less' },
    'resident memory, peak': { unit: 'MB', better: 'less', barValue: 400 },
    'produce p99 without': { unit: 'ms', better: 'less' },
    'produce p99 beside it': { unit: 'ms', better: 'less' },
    'p99 beside it / without': { unit: 'x', better: 'less', barValue: 2 },
  },
  async run({ broker, scale }) {
    const { port, dataDirectory } = broker;
    const records = Math.ceil(RECORDS * scale.share);
    const segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.ceil((records * KEYED_RECORD_BYTES) / SEGMENTS));
    await createServingTopics(port, [BESIDE], 1);
    await createServingTopics(port, [TOPIC], 1, {
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': '1',
      'segment.bytes': `${segmentBytes}`,
    });
    await fillWithKeys(port, TOPIC, records);
    const part = cleanablePart(dataDirectory);
    if (cleanedUpTo(dataDirectory, TOPIC, 0) > 0) throw new Error('the log was cleaned before its time');
    await writeBack();
    const producer = await PacedProducer.start(port, BESIDE);
    try {
      await sleep(scale.warmUpSeconds * 1000);
      producer.takeLatencies();
      await sleep(scale.seconds * 1000);
      const without = p99(producer.takeLatencies());
      const cpuBefore = broker.cpuSeconds();
      const startedAt = performance.now();
      await setDirtyRatio(port, '0.01');
      let peak = 0;
      while (cleanedUpTo(dataDirectory, TOPIC, 0) < part.endOffset) {
        if (performance.now() - startedAt > PATIENCE_MS)
          throw new Error('the cleaner does not come to an end');
        peak = Math.max(peak, broker.residentBytes());
        await sleep(LOOK_EVERY_MS);
      }
      const seconds = (performance.now() - startedAt) / 1000;
      const cpu = broker.cpuSeconds() - cpuBefore;
      const beside = p99(producer.takeLatencies());
      return {
        cleaned: part.bytes / MB / seconds,
        'what is left': (cleanablePart(dataDirectory).bytes / part.bytes) * 100,
        'broker CPU': cpu / (part.bytes / GB),
        'resident memory, peak': peak / MB,
        'produce p99 without': without,
        'produce p99 beside it': beside,
        'p99 beside it / without': beside / without,
      };
    } finally {
      producer.end();
    }
  },
};
