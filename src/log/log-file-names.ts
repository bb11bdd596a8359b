import type { Int64 } from '../base/int64.ts';
import type { TopicPartition } from './topic-partition.ts';

export const LOG_SUFFIX = '.log';
export const OFFSET_INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const TRANSACTION_INDEX_SUFFIX = '.txnindex';
export const PRODUCER_SNAPSHOT_SUFFIX = '.snapshot';
/** Waits for its removal; readers that hold the file may go on. */
export const DELETED_SUFFIX = '.deleted';
/** What the cleaner is writing: worth nothing after a crash. */
export const CLEANED_SUFFIX = '.cleaned';
/** What the cleaner has written whole, in the middle of taking the place of the old segments. */
export const SWAP_SUFFIX = '.swap';

export const LEADER_EPOCH_CHECKPOINT = 'leader-epoch-checkpoint';
export const PARTITION_METADATA = 'partition.metadata';
export const RECOVERY_POINT_CHECKPOINT = 'recovery-point-offset-checkpoint';
export const LOG_START_OFFSET_CHECKPOINT = 'log-start-offset-checkpoint';
export const HIGH_WATERMARK_CHECKPOINT = 'replication-offset-checkpoint';
export const CLEANER_OFFSET_CHECKPOINT = 'cleaner-offset-checkpoint';
export const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';
export const LOCK_FILE = '.lock';

/** The longest name of a directory that file systems take. */
const NAME_MAX = 255;

/**
 * The base offset with 20 digits, which is how the files of a segment and the producer snapshots are named.
 */
export function offsetPrefix(offset: Int64): string {
  return String(offset).padStart(20, '0');
}

/** The offset in the name of a segment's file or a producer snapshot; `undefined` if the name is not one. */
export function offsetFromFileName(name: string): Int64 | undefined {
  const digits = /^(\d{20})\./.exec(name)?.[1];
  if (digits === undefined) return undefined;
  const value = BigInt(digits);
  if (value >= 1n << 63n) return undefined;
  return value <= 9007199254740991n ? Number(value) : value;
}

export function logDirectoryName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/**
 * The name that a partition's directory gets when it is to go: `topic-partition.<32 hex digits>-delete`.
 * The topic is cut where the whole would be too long.
 */
export function deleteDirectoryName(topicPartition: TopicPartition, uniqueId: string): string {
  return markedDirectoryName(topicPartition, uniqueId, 'delete');
}

/** The same for a directory that stays for somebody to look at, marked `-stray`. */
export function strayDirectoryName(topicPartition: TopicPartition, uniqueId: string): string {
  return markedDirectoryName(topicPartition, uniqueId, 'stray');
}

/**
 * The name of the directory that a moving replica is copied into: `topic-partition.<32 hex digits>-future`. It names the
 * topic whole, for a start to know it: undefined where there is no room for that.
 */
export function futureDirectoryName(
  { topic, partition }: TopicPartition,
  uniqueId: string,
): string | undefined {
  const name = `${topic}-${partition}.${uniqueId}-future`;
  return name.length > NAME_MAX ? undefined : name;
}

function markedDirectoryName(
  { topic, partition }: TopicPartition,
  uniqueId: string,
  mark: 'delete' | 'stray',
): string {
  const suffix = `-${partition}.${uniqueId}-${mark}`;
  return topic.slice(0, NAME_MAX - suffix.length) + suffix;
}

export type LogDirectoryKind = 'current' | 'delete' | 'future' | 'stray';

export interface LogDirectory {
  readonly topicPartition: TopicPartition;
  readonly kind: LogDirectoryKind;
}

/** What the name of a directory says; `undefined` if it is not that of a partition. */
export function parseLogDirectoryName(name: string): LogDirectory | undefined {
  let base = name;
  let kind: LogDirectoryKind = 'current';
  const marked = /^(.+)\.[0-9a-zA-Z]+-(delete|future|stray)$/.exec(name);
  if (marked !== null) {
    base = marked[1]!;
    kind = marked[2] as LogDirectoryKind;
  }
  const dash = base.lastIndexOf('-');
  const digits = base.slice(dash + 1);
  if (dash <= 0 || !/^\d{1,10}$/.test(digits) || Number(digits) > 0x7fff_ffff) return undefined;
  return { topicPartition: { topic: base.slice(0, dash), partition: Number(digits) }, kind };
}
