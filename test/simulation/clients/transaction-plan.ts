import type { SimRandom } from '../sim-random.ts';
import type { WorldOptions } from '../world-options.ts';
import { FeatureName } from '../../../src/metadata/features.ts';
import type { TopicPlan } from './sim-admin.ts';
import type { FeatureAdminSettings } from './sim-feature-admin.ts';
import type { TransactionalProducerSettings } from './sim-transactional-producer.ts';
import { TRANSACTIONAL_TOPIC } from '../checkers/transactions.ts';

/** A topic that is written to in transactions only, and who does. */
export interface TransactionPlan {
  readonly topic: TopicPlan;
  readonly producers: readonly TransactionalProducerSettings[];
  /** Somebody moves `transaction.version` while they work. */
  readonly featureAdmin: FeatureAdminSettings | undefined;
}

/** `undefined` in half of the seeds. */
export function drawTransactions(
  random: SimRandom,
  options: Pick<
    WorldOptions,
    'minInsyncReplicas' | 'segmentBytes' | 'transactionVersion' | 'lossAllowed' | 'uncleanElection'
  >,
): TransactionPlan | undefined {
  const { minInsyncReplicas, segmentBytes, transactionVersion, lossAllowed, uncleanElection } = options;
  if (!random.chance(0.5)) return undefined;
  const count = random.between(1, 3);
  // A producer that came back, and the one that nobody has ended.
  const sharesId = random.chance(0.4);
  const timeoutMs = random.pick([300, 1_000, 5_000]);
  return {
    topic: {
      topic: TRANSACTIONAL_TOPIC,
      partitions: random.between(1, 3),
      configs: [
        { name: 'min.insync.replicas', value: String(minInsyncReplicas) },
        { name: 'internal.segment.bytes', value: String(segmentBytes) },
        { name: 'index.interval.bytes', value: String(random.pick([128, 1024, 4096])) },
      ],
    },
    producers: Array.from({ length: count }, (_, index) => ({
      topic: TRANSACTIONAL_TOPIC,
      transactionalId: `id-${sharesId && index === 1 ? 0 : index}`,
      isAlone: !(sharesId && count > 1 && index < 2),
      newestVersion: random.chance(0.75) ? 2 : 1,
      transactionTimeoutMs: timeoutMs,
      thinkMs: random.pick([1, 10, 50]),
      valueBytes: random.pick([10, 100, 400]),
      maxTransactions: random.pick([100, 300]),
      aborts: random.pick([0.1, 0.3]),
      abandons: random.pick([0, 0.1]),
      oversleeps: random.chance(0.5) ? 0.05 : 0,
      crashes: random.pick([0, 0.02, 0.1]),
      cuts: random.pick([0, 0.02, 0.1]),
      isCareful: random.chance(0.5),
      offsets: random.pick([0, 0.3, 0.7]),
      mayLose: lossAllowed || uncleanElection,
    })),
    // At 0 records have another format, which those of the other levels cannot go back to.
    featureAdmin:
      transactionVersion > 0 && random.chance(0.4)
        ? {
            feature: FeatureName.TRANSACTION_VERSION,
            levels: [1, 2],
            thinkMs: random.pick([100, 500, 2_000]),
          }
        : undefined,
  };
}
