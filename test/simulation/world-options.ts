import type { SimRandom } from './sim-random.ts';

/** Faults of several steps that wait for a moment: see `fault-scenarios.ts`. */
export const SCENARIOS = [
  'heldProposal',
  'lateProposal',
  'unheardLeader',
  'pingPong',
  'ackThenCrash',
  'electionStorm',
  'laggingVoter',
  'crashAfterVote',
  'earlierLife',
  'shortReign',
  'splitVote',
  'lateMarker',
] as const;

export type ScenarioKind = (typeof SCENARIOS)[number];

/** Kinds of faults. A seed uses about two thirds of them, so that none hides another in all seeds. */
export const FAULTS = [
  'kill',
  'powerLoss',
  'crashPoint',
  'restart',
  'pause',
  'slowLoop',
  'clockJump',
  'isolate',
  'split',
  'oneWay',
  'cutClients',
  'delay',
  'reset',
  'lateBytes',
  'stall',
  'halfOpen',
  'slowDisk',
  'diskFull',
  'diskError',
  'failingSync',
  'wipe',
  'rot',
  ...SCENARIOS,
] as const;

export type FaultKind = (typeof FAULTS)[number];

export interface NodeOptions {
  readonly id: number;
  readonly isBroker: boolean;
  /** A voter of the metadata quorum. */
  readonly isController: boolean;
  readonly logDirs: readonly string[];
  readonly metadataLogDir: string;
  readonly rack: string | undefined;
  readonly clockRate: number;
  readonly wallOffsetMs: number;
}

/** What a seed draws before anything runs. */
export interface WorldOptions {
  readonly nodes: readonly NodeOptions[];
  /** `static`: controller.quorum.voters. `dynamic`: the voters are in the metadata log. */
  readonly quorum: 'static' | 'dynamic';
  /** For topics of the workload, and the default. */
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  readonly durability: 'page-cache' | 'fsync';
  /** For `internal.segment.bytes` of topics. */
  readonly segmentBytes: number;
  readonly uncleanElection: boolean;
  /**
   * Faults go beyond what the cluster promises to survive (all replicas lose their power, or elections are unclean):
   * acknowledged records may be gone, but nobody may be told two stories.
   */
  readonly lossAllowed: boolean;
  readonly faults: ReadonlySet<FaultKind>;
  /** Those of them that the seed begins over and over, as they seldom find their moment. */
  readonly favourites: readonly FaultKind[];
  /** Mean time between two faults, ms. */
  readonly faultIntervalMs: number;
  /** Most faults that last at one time. */
  readonly faultsMax: number;
  readonly safetyMs: number;
  readonly latencyMaxMs: number;
  readonly systemBufferBytes: number;
  readonly partialReads: number;
  /**
   * What brokers keep of the ends of their logs, in bytes; undefined for as much as they like. With little, followers and
   * consumers read files, also those of a leader that has not restarted.
   */
  readonly tailCacheBytes: number | undefined;
  /** The level of the feature `transaction.version`. */
  readonly transactionVersion: 0 | 1 | 2;
  /** Keys of server.properties that all nodes share. */
  readonly properties: ReadonlyMap<string, string>;
}

/** Draws the options of a seed. */
export function drawOptions(random: SimRandom): WorldOptions {
  const nodes = drawNodes(random);
  const brokers = nodes.filter(node => node.isBroker).length;
  const replicationFactor = random.chance(0.7) ? Math.min(3, brokers) : random.between(1, brokers);
  const minInsyncReplicas = random.chance(0.7)
    ? Math.max(1, replicationFactor - 1)
    : random.between(1, replicationFactor);
  const durability = random.chance(0.3) ? 'fsync' : 'page-cache';
  const uncleanElection = random.chance(0.08);
  const beyond = random.chance(0.1);
  const lossAllowed = uncleanElection || beyond;
  const drawn: Omit<WorldOptions, 'favourites' | 'transactionVersion'> = {
    nodes,
    quorum: random.chance(0.5) ? 'static' : 'dynamic',
    replicationFactor,
    minInsyncReplicas,
    durability,
    segmentBytes: Math.round(random.scaled(1024, 64 * 1024)),
    uncleanElection,
    lossAllowed,
    faults: new Set(FAULTS.filter(() => random.chance(2 / 3))),
    faultIntervalMs: random.scaled(80, 1_200),
    faultsMax: random.pick([1, 2, 3]),
    safetyMs: random.between(4_000, 15_000),
    latencyMaxMs: random.scaled(0.5, 30),
    systemBufferBytes: Math.round(random.scaled(1024, 256 * 1024)),
    partialReads: random.pick([0, 0.1, 0.5]),
    properties: drawProperties(random, {
      brokers,
      replicationFactor,
      minInsyncReplicas,
      durability,
      uncleanElection,
    }),
    tailCacheBytes: random.chance(1 / 3) ? random.pick([0, 2_000]) : undefined,
  };
  const favourites = drawFavourites(random, drawn);
  const properties = new Map(drawn.properties);
  properties.set('log.cleaner.backoff.ms', String(Math.round(random.scaled(20, 2_000))));
  for (const [key, value] of drawTransactionProperties(random, drawn)) properties.set(key, value);
  const transactionVersion = random.pick([0, 1, 2, 2, 2] as const);
  const faults = new Set([...drawn.faults, ...favourites]);
  return { ...drawn, properties, favourites, transactionVersion, faults };
}

/** Kinds that seldom find their moment, where the cluster is large enough for them. */
function drawFavourites(
  random: SimRandom,
  {
    nodes,
    replicationFactor,
    minInsyncReplicas,
    lossAllowed,
  }: Omit<WorldOptions, 'favourites' | 'transactionVersion'>,
): FaultKind[] {
  const kinds: FaultKind[] = [];
  if (nodes.filter(node => node.isController).length >= 3)
    kinds.push(random.pick(['laggingVoter', 'splitVote', 'crashAfterVote'] as const));
  if (nodes.filter(node => node.isBroker).length >= 2 && random.chance(0.5)) kinds.push('lateMarker');
  if (replicationFactor < 3) return kinds;
  kinds.push(random.pick(['heldProposal', 'lateProposal'] as const));
  // The first takes away what a member has: the cluster promises to survive that with two in sync only.
  const takes = minInsyncReplicas < 2 || lossAllowed ? (['rot'] as const) : (['earlierLife', 'rot'] as const);
  kinds.push(random.pick<FaultKind>(takes));
  return kinds;
}

function drawNodes(random: SimRandom): NodeOptions[] {
  const separate = random.chance(0.35);
  const brokers = random.pick(separate ? [1, 2, 3, 3, 4] : [1, 2, 3, 3, 3, 4, 5]);
  const controllers = separate ? random.pick([1, 3, 3]) : random.pick([1, 3, 3, 5].filter(n => n <= brokers));
  const count = separate ? brokers + controllers : brokers;
  const racks = random.chance(0.3);
  return Array.from({ length: count }, (_, index): NodeOptions => {
    const isController = separate ? index >= brokers : index < controllers;
    const logDirs = random.chance(0.25) ? ['/disk1', '/disk2'] : ['/disk1'];
    return {
      id: index + 1,
      isBroker: index < brokers,
      isController,
      logDirs,
      metadataLogDir: random.chance(0.2) ? '/metadata' : logDirs[0]!,
      rack: racks ? `rack-${index % 2}` : undefined,
      clockRate: random.chance(0.5) ? 1 : 1 + (random.next() - 0.5) * 0.04,
      wallOffsetMs: random.chance(0.5) ? 0 : random.between(-60_000, 60_000),
    };
  });
}

interface Sizes {
  readonly brokers: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  readonly durability: string;
  readonly uncleanElection: boolean;
}

function drawProperties(random: SimRandom, sizes: Sizes): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  const set = (key: string, value: string | number | boolean): void => {
    properties.set(key, String(typeof value === 'number' ? Math.round(value) : value));
  };
  const sometimes = (key: string, value: string | number | boolean): void => {
    if (random.chance(0.6)) set(key, value);
  };
  const fetchTimeoutMs = random.scaled(800, 2_500);
  set('controller.quorum.fetch.timeout.ms', fetchTimeoutMs);
  set('controller.quorum.election.timeout.ms', random.scaled(200, 1_000));
  set('controller.quorum.election.backoff.max.ms', random.scaled(50, 1_000));
  set('controller.quorum.request.timeout.ms', random.scaled(300, 2_000));
  sometimes('controller.quorum.append.linger.ms', random.pick([0, 5, 25]));
  sometimes('metadata.log.max.record.bytes.between.snapshots', random.scaled(500, 20_000));
  sometimes('metadata.log.max.snapshot.interval.ms', random.scaled(500, 10_000));
  sometimes('internal.metadata.log.segment.bytes', random.scaled(8_192, 32_768));
  sometimes('metadata.max.retention.bytes', random.scaled(1_024, 65_536));
  sometimes('metadata.max.idle.interval.ms', random.scaled(50, 500));

  const sessionTimeoutMs = random.scaled(800, 6_000);
  set('broker.session.timeout.ms', sessionTimeoutMs);
  set('broker.heartbeat.interval.ms', Math.floor(sessionTimeoutMs / random.between(3, 6)));
  set('min.insync.replicas', sizes.minInsyncReplicas);
  set('default.replication.factor', sizes.replicationFactor);
  set('unclean.leader.election.enable', sizes.uncleanElection);
  set('log.durability', sizes.durability);
  set('auto.create.topics.enable', false);
  const lagMs = random.scaled(500, 5_000);
  set('replica.lag.time.max.ms', lagMs);
  set('replica.fetch.wait.max.ms', Math.min(lagMs / 2, random.scaled(20, 500)));
  set('replica.fetch.backoff.ms', random.scaled(20, 500));
  set('replica.socket.timeout.ms', random.scaled(1_000, 5_000));
  sometimes('replica.fetch.max.bytes', random.scaled(100, 100_000));
  sometimes('replica.fetch.response.max.bytes', random.scaled(500, 100_000));
  sometimes('num.replica.fetchers', random.between(1, 3));
  sometimes('max.incremental.fetch.session.cache.slots', random.pick([0, 1, 2, 1000]));
  sometimes('replica.high.watermark.checkpoint.interval.ms', random.scaled(100, 5_000));
  sometimes('log.flush.offset.checkpoint.interval.ms', random.scaled(100, 10_000));
  sometimes('log.index.interval.bytes', random.scaled(16, 4_096));
  sometimes('log.flush.interval.messages', random.between(1, 100));
  sometimes('leader.imbalance.check.interval.seconds', random.between(1, 5));
  set('auto.leader.rebalance.enable', random.chance(0.5));
  set('offsets.topic.num.partitions', random.between(1, 3));
  set('offsets.topic.replication.factor', sizes.replicationFactor);
  set('group.initial.rebalance.delay.ms', 0);
  return properties;
}

/** A coordinator that is small, and looks often for what has taken too long. */
function drawTransactionProperties(
  random: SimRandom,
  { replicationFactor, minInsyncReplicas }: Pick<WorldOptions, 'replicationFactor' | 'minInsyncReplicas'>,
): [key: string, value: string][] {
  const ms = (low: number, high: number): number => Math.round(random.scaled(low, high));
  const drawn: [string, number][] = [
    ['transaction.state.log.num.partitions', random.between(1, 3)],
    ['transaction.state.log.replication.factor', replicationFactor],
    ['transaction.state.log.min.isr', minInsyncReplicas],
    ['transaction.abort.timed.out.transaction.cleanup.interval.ms', ms(50, 2_000)],
    ['transaction.remove.expired.transaction.cleanup.interval.ms', ms(200, 5_000)],
    // By default ids outlive any run.
    ['transactional.id.expiration.ms', random.pick([2_000, 604_800_000, 604_800_000])],
    ['add.partitions.to.txn.retry.backoff.max.ms', random.pick([0, 100])],
  ];
  return drawn.map(([key, value]) => [key, String(value)]);
}

/** One line that says what a seed drew. */
export function describeOptions(options: WorldOptions): string {
  const nodes = options.nodes
    .map(({ id, isBroker, isController }) => `${id}${isBroker ? 'b' : ''}${isController ? 'c' : ''}`)
    .join(' ');
  return (
    `nodes ${nodes}, ${options.quorum} quorum, RF ${options.replicationFactor}, min ISR ` +
    `${options.minInsyncReplicas}, ${options.durability}${options.uncleanElection ? ', unclean elections' : ''}` +
    `${options.lossAllowed ? ', loss allowed' : ''}, ` +
    `transaction.version ${options.transactionVersion}, faults ${[...options.faults].join(' ')}`
  );
}
