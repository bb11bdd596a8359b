import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import { Errors, errorName } from '../protocol/errors.ts';
import {
  AssignReplicasToDirsRequest,
  AssignReplicasToDirsResponse,
} from '../protocol/messages/73-assign-replicas-to-dirs.ts';
import type { Input } from '../protocol/schema.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';

const ASSIGN_REPLICAS_TO_DIRS = {
  request: AssignReplicasToDirsRequest,
  response: AssignReplicasToDirsResponse,
};

/** Replicas of one request. */
const BATCH_MAX = 2_000;
/** Assignments of one moment, such as those of a start, go together. */
const LINGER_MS = 20;
const RETRY_MS = 500;
const SEND_TIMEOUT_MS = 30_000;

interface Assignment {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly directoryId: Uuid;
}

/** The controller has decided on a replica, or there is none any more: to ask again would bring nothing. */
const SETTLED: ReadonlySet<number> = new Set([
  Errors.NONE,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.NOT_LEADER_OR_FOLLOWER,
]);

/**
 * Tells the controller in which log directory a replica of this broker is, where that differs from the metadata: the
 * controller picks no leader whose directory it takes for lost (KIP-858). What is refused for a while is told again.
 */
export class AssignmentsManager {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly channel: BrokerToControllerChannel;
  private readonly brokerId: number;
  private readonly brokerEpoch: () => BrokerEpoch;
  /** By topic id and partition; the newest word on each. */
  private readonly waiting = new Map<string, Assignment>();
  private timer: Timer | undefined;
  private inFlight = false;
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    channel: BrokerToControllerChannel,
    brokerId: number,
    brokerEpoch: () => BrokerEpoch,
  ) {
    this.runtime = runtime;
    this.logger = logger.child('assignments');
    this.channel = channel;
    this.brokerId = brokerId;
    this.brokerEpoch = brokerEpoch;
  }

  /** The replica is in the directory, as of now. */
  assign(topicId: Uuid, partition: number, directoryId: Uuid): void {
    this.waiting.set(keyOf(topicId, partition), { topicId, partition, directoryId });
    this.sendLater(LINGER_MS);
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  private sendLater(delayMs: number): void {
    if (this.closed || this.inFlight || this.timer !== undefined || this.waiting.size === 0) return;
    this.timer = this.runtime.timers.after(delayMs, () => {
      this.timer = undefined;
      this.send();
    });
  }

  private send(): void {
    const brokerEpoch = this.brokerEpoch();
    if (brokerEpoch === -1) {
      this.sendLater(RETRY_MS);
      return;
    }
    const batch = [...this.waiting.values()].slice(0, BATCH_MAX);
    this.inFlight = true;
    const request = { brokerId: this.brokerId, brokerEpoch, directories: directoriesOf(batch) };
    this.channel.send(ASSIGN_REPLICAS_TO_DIRS, request, { timeoutMs: SEND_TIMEOUT_MS }).then(
      ({ errorCode, directories }) => {
        if (errorCode !== Errors.NONE) {
          this.done(`the controller answered ${errorName(errorCode)}`);
          return;
        }
        for (const { id, topics } of directories) {
          for (const { topicId, partitions } of topics) {
            for (const { partitionIndex, errorCode: code } of partitions) {
              if (SETTLED.has(code)) this.settle(topicId, partitionIndex, id);
            }
          }
        }
        this.done(undefined);
      },
      (error: unknown) => this.done(String(error)),
    );
  }

  /** Unless it was assigned anew meanwhile. */
  private settle(topicId: Uuid, partition: number, directoryId: Uuid): void {
    const key = keyOf(topicId, partition);
    if (this.waiting.get(key)?.directoryId === directoryId) this.waiting.delete(key);
  }

  private done(problem: string | undefined): void {
    this.inFlight = false;
    if (this.closed) return;
    if (problem !== undefined)
      this.logger.warn('could not tell the controller where replicas are', { problem });
    this.sendLater(RETRY_MS);
  }
}

function keyOf(topicId: Uuid, partition: number): string {
  return `${topicId}:${partition}`;
}

function directoriesOf(
  batch: readonly Assignment[],
): Input<typeof AssignReplicasToDirsRequest>['directories'] {
  const byDirectory = new Map<Uuid, Map<Uuid, number[]>>();
  for (const { topicId, partition, directoryId } of batch) {
    let topics = byDirectory.get(directoryId);
    if (topics === undefined) byDirectory.set(directoryId, (topics = new Map()));
    let partitions = topics.get(topicId);
    if (partitions === undefined) topics.set(topicId, (partitions = []));
    partitions.push(partition);
  }
  return Array.from(byDirectory, ([id, topics]) => ({
    id,
    topics: Array.from(topics, ([topicId, partitions]) => ({
      topicId,
      partitions: partitions.map(partitionIndex => ({ partitionIndex })),
    })),
  }));
}
