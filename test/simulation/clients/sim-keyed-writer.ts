import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { CompressionType } from '../../../src/compression/compression-type.ts';
import { RecordBatchBuilder } from '../../../src/record/record-batch-builder.ts';
import type { KeyedRecord } from '../checkers/history.ts';
import { COMPACTED_TOPIC } from '../checkers/compaction.ts';
import type { SimRandom } from '../sim-random.ts';
import type { TopicPlan } from './sim-admin.ts';
import { SimWorker, type WorkerSettings } from './sim-worker.ts';

export interface KeyedWriterSettings extends WorkerSettings {
  readonly plan: TopicPlan;
  readonly keys: number;
  readonly tombstones: number;
  readonly valueBytes: number;
  readonly maxBatches: number;
}

const PRODUCE = { request: ProduceRequest, response: ProduceResponse };
const PRODUCE_TIMEOUT_MS = 1_500;
/** The last version that names the topic. */
const PRODUCE_VERSION = 12;

/** A topic that is compacted all the time, and who writes to it; `undefined` in most seeds. */
export function drawKeyedWriter(
  random: SimRandom,
  { minInsyncReplicas }: { readonly minInsyncReplicas: number },
): KeyedWriterSettings | undefined {
  if (!random.chance(0.5)) return undefined;
  return {
    plan: {
      topic: COMPACTED_TOPIC,
      partitions: random.between(1, 2),
      configs: [
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'min.insync.replicas', value: String(minInsyncReplicas) },
        { name: 'internal.segment.bytes', value: String(Math.round(random.scaled(300, 5_000))) },
        { name: 'index.interval.bytes', value: String(random.pick([16, 128, 4_096])) },
        { name: 'min.cleanable.dirty.ratio', value: String(random.pick([0, 0.1, 0.5])) },
        { name: 'delete.retention.ms', value: String(random.pick([0, 200, 2_000])) },
        { name: 'file.delete.delay.ms', value: String(random.pick([1, 100, 5_000])) },
      ],
    },
    keys: random.pick([1, 5, 30]),
    tombstones: random.pick([0, 0.1, 0.5]),
    thinkMs: random.pick([3, 20, 100]),
    valueBytes: random.pick([5, 50, 300]),
    maxBatches: random.pick([200, 500]),
  };
}

/** Writes keyed records, one batch at a time, and never one of them twice: what is not answered may come any time. */
export class SimKeyedWriter extends SimWorker<KeyedWriterSettings> {
  private written = 0;
  private batches = 0;

  protected override get isDone(): boolean {
    return this.batches >= this.settings.maxBatches;
  }

  private draw(): KeyedRecord[] {
    const { settings, name } = this;
    const { random } = this.cluster;
    return Array.from({ length: random.between(1, 4) }, () => {
      const key = `k${random.below(settings.keys)}`;
      const value = random.chance(settings.tombstones) ? null : `${name} ${key} ${++this.written}`;
      return { key, value };
    });
  }

  protected override async work(): Promise<void> {
    const { cluster, settings, history } = this;
    this.batches++;
    const { random } = cluster;
    const partitions = cluster.partitionsOf(settings.plan.topic);
    if (partitions.length === 0) return;
    const partition = random.pick(partitions);
    if (partition.leader < 0) return;
    const records = this.draw();
    const compression = random.pick([CompressionType.NONE, CompressionType.GZIP]);
    const builder = new RecordBatchBuilder({ compression });
    const timestamp = cluster.runtime.clock.wallMs();
    for (const { key, value } of records) {
      const padded = value === null ? null : Buffer.from(value.padEnd(settings.valueBytes, ' '));
      builder.append({ timestamp, key: Buffer.from(key), value: padded });
    }
    const op = history.newOp();
    history.record(this.name, { kind: 'keyedSend', op, partition: partition.key, records });
    try {
      const answer = await cluster.ask(
        partition.leader,
        PRODUCE,
        () => ({
          acks: -1,
          timeoutMs: PRODUCE_TIMEOUT_MS,
          topicData: [
            {
              name: partition.topic,
              partitionData: [{ index: partition.index, records: builder.build() }],
            },
          ],
        }),
        { maxVersion: PRODUCE_VERSION },
      );
      const result = answer.responses[0]?.partitionResponses[0];
      if (result?.errorCode === Errors.NONE)
        history.record(this.name, { kind: 'keyedSent', op, offset: result.baseOffset });
      else cluster.forgetMetadata();
    } catch {
      cluster.forgetMetadata();
    }
  }
}
