import type { BrokerEpoch, LeaderEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import { topicPartitionKey } from '../log/topic-partition.ts';
import { Errors, errorCodeOf, errorName } from '../protocol/errors.ts';
import type {
  AlterPartitionRequest,
  AlterPartitionResponse,
} from '../protocol/messages/56-alter-partition.ts';
import type { Infer, Input } from '../protocol/schema.ts';
import type { Timers } from '../runtime/runtime.ts';
import type { BrokerState } from './partition-state.ts';

/**
 * Brings a request to the active controller, however often that changes. It may take its time; a rejection means that
 * nobody knows whether the request took effect. `body` gets the version: v3 has the epochs of brokers.
 */
export type SendAlterPartition = (
  body: (version: number) => Input<typeof AlterPartitionRequest>,
) => Promise<Infer<typeof AlterPartitionResponse>>;

/** A new ISR that a leader proposes. */
export interface IsrProposal {
  readonly topicPartition: TopicPartition;
  readonly topicId: Uuid;
  readonly leaderEpoch: LeaderEpoch;
  /** The state that the proposal is made on: compare and set (R6). */
  readonly partitionEpoch: number;
  readonly isr: readonly BrokerState[];
}

/** The controller's word on a proposal. */
export type AlterPartitionResult =
  | {
      readonly errorCode: typeof Errors.NONE;
      readonly leaderId: number;
      readonly leaderEpoch: LeaderEpoch;
      readonly isr: readonly number[];
      readonly partitionEpoch: number;
    }
  | { readonly errorCode: number };

export interface AlterPartitionManagerOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => BrokerEpoch;
  readonly send: SendAlterPartition;
}

interface Waiting {
  readonly proposal: IsrProposal;
  readonly callback: (result: AlterPartitionResult) => void;
  isSent: boolean;
}

/** Before a proposal is sent again that the controller could not decide, ms. */
const RETRY_MS = 50;
/** The controller has decided: to send the same again would bring the same answer. */
const DECISIONS: ReadonlySet<number> = new Set([
  Errors.NONE,
  Errors.OPERATION_NOT_ATTEMPTED,
  Errors.INELIGIBLE_REPLICA,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.FENCED_LEADER_EPOCH,
  Errors.INVALID_UPDATE_VERSION,
  Errors.INVALID_REQUEST,
  Errors.NEW_LEADER_ELECTED,
]);
const FIRST_VERSION_OF_BROKER_EPOCHS = 3;

/**
 * The proposals of all partitions that this broker leads. There is one request under way at a time, and what comes
 * meanwhile goes into the next one: thousands of partitions that lose a follower at once take two requests.
 */
export class AlterPartitionManager {
  private readonly timers: Timers;
  private readonly logger: Logger;
  private readonly options: AlterPartitionManagerOptions;
  /** By topic id and partition: those that are sent, and those that wait for the next request. */
  private readonly waiting = new Map<string, Waiting>();
  private isScheduled = false;
  private isInFlight = false;
  private closed = false;

  constructor(timers: Timers, logger: Logger, options: AlterPartitionManagerOptions) {
    this.timers = timers;
    this.logger = logger;
    this.options = options;
  }

  /** Whether something is proposed for the partition and not answered yet. */
  isPending(topicId: Uuid, partition: number): boolean {
    return this.waiting.has(keyOf(topicId, partition));
  }

  /**
   * Proposes an ISR. `callback` is called once, never from inside this call, unless the manager is closed or a proposal
   * of a later leader epoch takes its place before it is sent. False if the partition has a proposal under way; nothing
   * is done then.
   */
  submit(proposal: IsrProposal, callback: (result: AlterPartitionResult) => void): boolean {
    const key = keyOf(proposal.topicId, proposal.topicPartition.partition);
    if (this.waiting.get(key)?.isSent) return false;
    this.waiting.set(key, { proposal, callback, isSent: false });
    this.schedule();
    return true;
  }

  close(): void {
    this.closed = true;
    this.waiting.clear();
  }

  /** All partitions that one turn finds out of sync go into one request. */
  private schedule(): void {
    if (this.isScheduled || this.isInFlight) return;
    this.isScheduled = true;
    this.timers.soon(() => {
      this.isScheduled = false;
      this.sendWaiting();
    });
  }

  private sendWaiting(): void {
    if (this.isInFlight || this.closed || this.waiting.size === 0) return;
    const sent = [...this.waiting.values()];
    const brokerEpoch = this.options.brokerEpoch();
    for (const waiting of sent) waiting.isSent = true;
    this.isInFlight = true;
    this.options
      .send(version => requestOf(version, this.options.brokerId, brokerEpoch, sent))
      .then(
        response => this.onResponse(sent, response),
        error => this.onFailure(sent, errorCodeOf(error)),
      );
  }

  private onResponse(sent: readonly Waiting[], response: Infer<typeof AlterPartitionResponse>): void {
    if (this.closed) return;
    if (response.errorCode !== Errors.NONE) {
      this.onFailure(sent, response.errorCode);
      return;
    }
    const results = resultsOf(response);
    let isUndecided = false;
    for (const waiting of sent) {
      const { topicPartition, topicId } = waiting.proposal;
      const { partition } = topicPartition;
      const result =
        results.get(keyOf(topicId, partition)) ?? results.get(keyOf(topicPartition.topic, partition));
      if (result === undefined || !DECISIONS.has(result.errorCode)) {
        waiting.isSent = false;
        isUndecided = true;
        continue;
      }
      this.waiting.delete(keyOf(topicId, partition));
      if (result.errorCode !== Errors.NONE) {
        const fields = { partition: topicPartitionKey(topicPartition), error: errorName(result.errorCode) };
        this.logger.info('the controller did not take a proposed ISR', fields);
      }
      waiting.callback(result);
    }
    if (isUndecided) this.sendLater();
    else {
      this.isInFlight = false;
      if (this.waiting.size > 0) this.schedule();
    }
  }

  /** STALE_BROKER_EPOCH and all else that concerns the whole request: it may be another epoch the next time. */
  private onFailure(sent: readonly Waiting[], errorCode: number): void {
    if (this.closed) return;
    this.logger.debug('an AlterPartition request failed and is repeated', { error: errorName(errorCode) });
    for (const waiting of sent) waiting.isSent = false;
    this.sendLater();
  }

  /** Nothing is sent meanwhile: the controller has trouble. */
  private sendLater(): void {
    this.timers.after(RETRY_MS, () => {
      this.isInFlight = false;
      this.sendWaiting();
    });
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

function requestOf(
  version: number,
  brokerId: number,
  brokerEpoch: BrokerEpoch,
  sent: readonly Waiting[],
): Input<typeof AlterPartitionRequest> {
  type Topics = NonNullable<Input<typeof AlterPartitionRequest>['topics']>;
  type Partition = NonNullable<NonNullable<Topics[number]>['partitions']>[number];
  const topics = new Map<Uuid, { topicName: string; topicId: Uuid; partitions: Partition[] }>();
  for (const { proposal } of sent) {
    const { topicPartition, topicId, leaderEpoch, partitionEpoch, isr } = proposal;
    let topic = topics.get(topicId);
    if (topic === undefined) {
      topic = { topicName: topicPartition.topic, topicId, partitions: [] };
      topics.set(topicId, topic);
    }
    const hasEpochs = version >= FIRST_VERSION_OF_BROKER_EPOCHS;
    topic.partitions.push({
      partitionIndex: topicPartition.partition,
      leaderEpoch,
      partitionEpoch,
      ...(hasEpochs ? { newIsrWithEpochs: [...isr] } : { newIsr: isr.map(state => state.brokerId) }),
    });
  }
  return { brokerId, brokerEpoch, topics: [...topics.values()] };
}

/** By topic id, or by topic name where the version has no ids. */
function resultsOf(response: Infer<typeof AlterPartitionResponse>): Map<string, AlterPartitionResult> {
  const results = new Map<string, AlterPartitionResult>();
  for (const { topicName, topicId, partitions } of response.topics) {
    for (const { partitionIndex, errorCode, leaderId, leaderEpoch, isr, partitionEpoch } of partitions) {
      const result =
        errorCode === Errors.NONE ? { errorCode, leaderId, leaderEpoch, isr, partitionEpoch } : { errorCode };
      results.set(keyOf(topicName !== '' ? topicName : topicId, partitionIndex), result);
    }
  }
  return results;
}
