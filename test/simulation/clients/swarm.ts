import { CompressionType } from '../../../src/compression/compression-type.ts';
import type { SimRandom } from '../sim-random.ts';
import type { TopicPlan } from './sim-admin.ts';
import type { ConsumerSettings } from './sim-consumer.ts';
import type { ProducerSettings } from './sim-producer.ts';

/** What clients a seed has, and how they behave. */
export interface Swarm {
  readonly dataTopics: readonly TopicPlan[];
  readonly shortLived: readonly string[];
  readonly producers: readonly ProducerSettings[];
  readonly consumers: readonly ConsumerSettings[];
  readonly admins: number;
  readonly adminThinkMs: number;
  readonly reassigns: boolean;
  readonly elects: boolean;
  readonly altersConfigs: boolean;
  readonly requestTimeoutMs: number;
  readonly metadataMaxAgeMs: number;
}

export interface SwarmBounds {
  readonly minInsyncReplicas: number;
  readonly segmentBytes: number;
  readonly racks: readonly string[];
  readonly meetsDamage: boolean;
}

const PRODUCE_VERSION_MIN = 7;
const PRODUCE_VERSION_MAX = 13;
const FETCH_VERSION_MIN = 4;
const FETCH_VERSION_MAX = 17;
/** Those that need no native code and no promise: the same bytes everywhere. */
const COMPRESSIONS = [CompressionType.NONE, CompressionType.NONE, CompressionType.GZIP] as const;

/** Draws the clients of a seed. Sizes and rates differ widely: what one setting hides another shows. */
export function drawSwarm(random: SimRandom, bounds: SwarmBounds): Swarm {
  const { minInsyncReplicas, segmentBytes } = bounds;
  const topicCount = random.between(1, 2);
  const topics = Array.from({ length: topicCount }, (_, index) => `data-${index}`);
  const dataTopics = topics.map(topic => ({
    topic,
    partitions: random.between(1, 3),
    configs: [
      { name: 'min.insync.replicas', value: String(minInsyncReplicas) },
      { name: 'internal.segment.bytes', value: String(segmentBytes) },
      { name: 'index.interval.bytes', value: String(random.pick([128, 1024, 4096])) },
    ],
  }));
  const producers = Array.from({ length: random.between(1, 3) }, () => drawProducer(random, topics));
  const consumers = Array.from({ length: random.between(1, 3) }, () => drawConsumer(random, topics, bounds));
  return {
    dataTopics,
    shortLived: ['__proto__', 'fleeting-1', 'fleeting-2'].slice(0, random.between(1, 3)),
    producers,
    consumers,
    admins: random.between(1, 2),
    adminThinkMs: random.pick([100, 500, 2_000]),
    reassigns: random.chance(0.4),
    elects: random.chance(0.5),
    altersConfigs: random.chance(0.6),
    requestTimeoutMs: random.pick([500, 2_000, 5_000]),
    metadataMaxAgeMs: random.pick([500, 3_000, 30_000]),
  };
}

function drawProducer(random: SimRandom, topics: readonly string[]): ProducerSettings {
  const idempotent = random.chance(0.75);
  return {
    topics,
    acks: idempotent ? -1 : random.pick([-1, -1, 1, 0] as const),
    idempotent,
    maxInFlight: random.between(1, 5),
    deliveryTimeoutMs: random.pick([2_000, 10_000, 60_000]),
    retryBackoffMs: random.pick([5, 50, 200]),
    produceTimeoutMs: random.pick([300, 1_500, 5_000]),
    thinkMs: random.pick([3, 20, 100]),
    maxBatchRecords: random.pick([1, 3, 10]),
    valueBytes: random.pick([10, 100, 400]),
    compression: random.pick(COMPRESSIONS),
    maxVersion: random.between(PRODUCE_VERSION_MIN, PRODUCE_VERSION_MAX),
    misbehaves: random.chance(0.6) ? random.pick([0.01, 0.05]) : 0,
    maxBatches: random.pick([200, 500, 1_000]),
  };
}

function drawConsumer(
  random: SimRandom,
  topics: readonly string[],
  { racks, meetsDamage }: SwarmBounds,
): ConsumerSettings {
  return {
    topics,
    maxVersion: random.between(FETCH_VERSION_MIN, FETCH_VERSION_MAX),
    fetchMaxWaitMs: random.pick([0, 20, 500]),
    fetchMinBytes: random.pick([1, 1, 1_000]),
    fetchMaxBytes: random.pick([500, 50_000, 50_000_000]),
    partitionMaxBytes: random.pick([100, 2_000, 1_000_000]),
    sessions: random.chance(0.7),
    validates: random.chance(0.7),
    rack: racks.length > 0 && random.chance(0.5) ? random.pick(racks) : '',
    seeks: random.chance(0.5) ? 0.02 : 0,
    misbehaves: random.chance(0.5) ? 0.02 : 0,
    meetsDamage,
  };
}

/** A consumer with nothing odd about it, for the last reading. */
export function finalConsumer(topics: readonly string[], meetsDamage: boolean): ConsumerSettings {
  return {
    topics,
    maxVersion: FETCH_VERSION_MAX,
    fetchMaxWaitMs: 100,
    fetchMinBytes: 1,
    fetchMaxBytes: 10_000_000,
    partitionMaxBytes: 1_000_000,
    sessions: true,
    validates: true,
    rack: '',
    seeks: 0,
    misbehaves: 0,
    meetsDamage,
  };
}
