import { BROKER_KEYS } from './broker-keys.ts';
import { boolean, int, type KeyDefinition, list, noEffect, refused } from './key-definition.ts';
import { atLeast, throttledReplicas } from './validators.ts';

/** A configuration key of a topic. */
export interface TopicKeyDefinition extends KeyDefinition {
  /** The broker's key that gives the default, if there is one (the strongest, see `brokerKeyFallbacks`). */
  readonly brokerKey: string | undefined;
}

/** The key `name` with the type, limits, default and documentation of the broker's key that gives its default. */
function like(name: string, brokerKey: string, changes: Partial<KeyDefinition> = {}): TopicKeyDefinition {
  const definition = BROKER_KEYS.get(brokerKey);
  if (definition === undefined) throw new RangeError(`'${brokerKey}' is not a configuration key`);
  return { ...definition, importance: 'MEDIUM', updateMode: 'cluster-wide', ...changes, name, brokerKey };
}

function own(definition: KeyDefinition): TopicKeyDefinition {
  return { ...definition, updateMode: 'cluster-wide', brokerKey: undefined };
}

const NO_TIERED_STORAGE = 'this version has no tiered storage';

const TOPIC_KEY_LIST: readonly TopicKeyDefinition[] = [
  like('cleanup.policy', 'log.cleanup.policy'),
  like('compression.gzip.level', 'compression.gzip.level'),
  like('compression.lz4.level', 'compression.lz4.level'),
  like('compression.type', 'compression.type'),
  like('compression.zstd.level', 'compression.zstd.level'),
  like('delete.retention.ms', 'log.cleaner.delete.retention.ms'),
  like('file.delete.delay.ms', 'log.segment.delete.delay.ms'),
  like('flush.messages', 'log.flush.interval.messages'),
  like('flush.ms', 'log.flush.interval.ms', {
    defaultText: '9223372036854775807',
    validator: atLeast(0),
    documentation: 'Longest time in ms before records are fsynced.',
  }),
  own(
    list('follower.replication.throttled.replicas', '', 'MEDIUM', 'Replicas whose fetching is held back.', {
      check: throttledReplicas,
    }),
  ),
  like('index.interval.bytes', 'log.index.interval.bytes'),
  own(
    int('internal.segment.bytes', null, 'MEDIUM', 'As segment.bytes, without its lower limit. For tests.', {
      internal: true,
    }),
  ),
  own(
    list(
      'leader.replication.throttled.replicas',
      '',
      'MEDIUM',
      'Replicas whose being fetched from is held back.',
      {
        check: throttledReplicas,
      },
    ),
  ),
  like('local.retention.bytes', 'log.local.retention.bytes'),
  like('local.retention.ms', 'log.local.retention.ms'),
  like('max.compaction.lag.ms', 'log.cleaner.max.compaction.lag.ms'),
  like('max.message.bytes', 'message.max.bytes'),
  like('message.timestamp.after.max.ms', 'log.message.timestamp.after.max.ms'),
  like('message.timestamp.before.max.ms', 'log.message.timestamp.before.max.ms'),
  like('message.timestamp.type', 'log.message.timestamp.type'),
  like('min.cleanable.dirty.ratio', 'log.cleaner.min.cleanable.ratio'),
  like('min.compaction.lag.ms', 'log.cleaner.min.compaction.lag.ms'),
  like('min.insync.replicas', 'min.insync.replicas'),
  like('preallocate', 'log.preallocate'),
  own(
    boolean('remote.log.copy.disable', false, 'MEDIUM', 'Whether copying to tiered storage is stopped.', {
      status: noEffect(NO_TIERED_STORAGE),
    }),
  ),
  own(
    boolean(
      'remote.log.delete.on.disable',
      false,
      'MEDIUM',
      'Whether tiered records go when tiered storage is left.',
      {
        status: noEffect(NO_TIERED_STORAGE),
      },
    ),
  ),
  own(
    boolean(
      'remote.storage.enable',
      false,
      'MEDIUM',
      'Whether old segments of the topic go to tiered storage.',
      {
        status: refused(NO_TIERED_STORAGE),
      },
    ),
  ),
  like('retention.bytes', 'log.retention.bytes'),
  like('retention.ms', 'log.retention.ms', {
    defaultText: '604800000',
    validator: atLeast(-1),
    documentation: 'Age in ms after which records may be deleted. -1: never.',
  }),
  like('segment.bytes', 'log.segment.bytes'),
  like('segment.index.bytes', 'log.index.size.max.bytes'),
  like('segment.jitter.ms', 'log.roll.jitter.ms', {
    defaultText: '0',
    validator: atLeast(0),
    documentation: 'Most ms, chosen at random, by which a segment ends before segment.ms.',
  }),
  like('segment.ms', 'log.roll.ms', {
    defaultText: '604800000',
    validator: atLeast(1),
    documentation: 'Age in ms of a segment after which a new one begins.',
  }),
  like('unclean.leader.election.enable', 'unclean.leader.election.enable'),
];

/** Every configuration key of topics by name, in alphabetical order. */
export const TOPIC_KEYS: ReadonlyMap<string, TopicKeyDefinition> = new Map(
  TOPIC_KEY_LIST.map(key => [key.name, key]),
);
