import { type TopicPartition, topicPartitionKey } from './topic-partition.ts';
import type { UnifiedLog } from './unified-log.ts';

/** The open logs of a broker, by partition. */
export class LogRegistry {
  private readonly currentLogs = new Map<string, UnifiedLog>();
  /** Replicas that move here from another log directory, beside their current log. */
  private readonly futureLogs = new Map<string, UnifiedLog>();
  /** Found while loading, beside the one in {@link currentLogs} or {@link futureLogs}. */
  private readonly duplicateLogs: UnifiedLog[] = [];

  get current(): Iterable<UnifiedLog> {
    return this.currentLogs.values();
  }

  get future(): Iterable<UnifiedLog> {
    return this.futureLogs.values();
  }

  get size(): number {
    return this.currentLogs.size;
  }

  get(topicPartition: TopicPartition, isFuture = false): UnifiedLog | undefined {
    return this.logsOf(isFuture).get(topicPartitionKey(topicPartition));
  }

  private logsOf(isFuture: boolean): Map<string, UnifiedLog> {
    return isFuture ? this.futureLogs : this.currentLogs;
  }

  /** A second one of the same partition becomes a duplicate: see {@link takeDuplicates}. */
  add(log: UnifiedLog): void {
    if (this.get(log.topicPartition, log.isFuture) === undefined) this.set(log);
    else this.duplicateLogs.push(log);
  }

  /** Takes the place of the log of the same partition. */
  set(log: UnifiedLog): void {
    this.logsOf(log.isFuture).set(topicPartitionKey(log.topicPartition), log);
  }

  remove(log: UnifiedLog): void {
    this.logsOf(log.isFuture).delete(topicPartitionKey(log.topicPartition));
  }

  /** The duplicates found so far, once. */
  takeDuplicates(): UnifiedLog[] {
    return this.duplicateLogs.splice(0);
  }

  /** Every log, future ones too. */
  *all(): Iterable<UnifiedLog> {
    yield* this.currentLogs.values();
    yield* this.futureLogs.values();
  }

  /** The logs of a topic, future ones too. */
  *ofTopic(topic: string): Iterable<UnifiedLog> {
    for (const log of this.all()) if (log.topicPartition.topic === topic) yield log;
  }

  currentIn(logDir: string): UnifiedLog[] {
    return [...this.currentLogs.values()].filter(log => log.logDirectory === logDir);
  }

  futureIn(logDir: string): UnifiedLog[] {
    return [...this.futureLogs.values()].filter(log => log.logDirectory === logDir);
  }

  /** The logs in a log directory that its checkpoints speak of. */
  checkpointedIn(logDir: string): UnifiedLog[] {
    return [...this.currentIn(logDir), ...this.duplicateLogs.filter(log => log.logDirectory === logDir)];
  }

  allIn(logDir: string): UnifiedLog[] {
    return [...this.checkpointedIn(logDir), ...this.futureIn(logDir)];
  }
}
