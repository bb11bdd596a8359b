import type { Int64, Offset } from '../../../src/base/int64.ts';
import type { Uuid } from '../../../src/base/uuid.ts';
import type { History as SimHistory } from '../simulation-types.ts';

/** `<topic id>:<partition>`: a topic that is deleted and created again has other partitions. */
export type PartitionKey = string;

export function partitionKey(topicId: Uuid, partition: number): PartitionKey {
  return `${topicId}:${partition}`;
}

/** Who sent a batch, as its header says. */
export interface ProducerStamp {
  readonly producerId: Int64;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** A batch is given to a producer. `values` are unique in the whole run. */
export interface SendEvent {
  readonly kind: 'send';
  readonly op: number;
  readonly partition: PartitionKey;
  readonly values: readonly string[];
  readonly acks: number;
  /** The producer promises that each value is written once, and in the order of the sends. */
  readonly idempotent: boolean;
}

/** The batch is acknowledged. */
export interface SentEvent {
  readonly kind: 'sent';
  readonly op: number;
  /** Of the first value; -1 where the broker did not say (acks=0, a duplicate it knows no offset of). */
  readonly offset: Offset;
}

/** The producer gives the batch up. */
export interface SendFailedEvent {
  readonly kind: 'sendFailed';
  readonly op: number;
  readonly error: string;
  /** No attempt can have been written: reading one of the values is an anomaly. */
  readonly definite: boolean;
}

/** A broker did not take the sequence of the oldest batch that is not acknowledged. */
export interface SequenceErrorEvent {
  readonly kind: 'sequenceError';
  readonly op: number;
  readonly partition: PartitionKey;
  readonly error: string;
  /** All batches before it were acknowledged: the broker has forgotten one. */
  readonly unexpected: boolean;
}

/** A record as a consumer got it. */
export interface ReadRecord {
  readonly offset: Offset;
  readonly value: string;
  readonly leaderEpoch: number;
}

/** A fetch answer for one partition, with or without records. */
export interface PollEvent {
  readonly kind: 'poll';
  /** One run of reading without a jump: a new one begins at each {@link PositionEvent}. */
  readonly session: number;
  readonly partition: PartitionKey;
  /** Who answered, and whether it was asked as a follower. */
  readonly broker: number;
  readonly fromFollower: boolean;
  /** The broker was asked in this leader epoch, and has to be in it to answer; -1 if the question named none. */
  readonly leaderEpoch: number;
  readonly fetchOffset: Offset;
  readonly records: readonly ReadRecord[];
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
}

/** A consumer goes to a position by its own choice (assign, seek), or because the log was cut (truncation). */
export interface PositionEvent {
  readonly kind: 'position';
  readonly session: number;
  readonly partition: PartitionKey;
  readonly offset: Offset;
  /** Where it was before. */
  readonly from?: Offset;
  readonly reason: 'assign' | 'seek' | 'truncated' | 'outOfRange';
}

/** ListOffsets(latest) was answered. */
export interface ListedEvent {
  readonly kind: 'listed';
  readonly partition: PartitionKey;
  readonly leaderEpoch: number;
  readonly offset: Offset;
  /** How many events the history had when it was asked. */
  readonly asked: number;
}

export type AdminCall =
  | { readonly name: 'createTopic'; readonly topic: string }
  | { readonly name: 'deleteTopic'; readonly topic: string }
  /** A look at the metadata of some broker. */
  | { readonly name: 'describeTopic'; readonly topic: string; readonly broker: number }
  | { readonly name: 'setConfig'; readonly topic: string; readonly key: string; readonly value: string }
  | { readonly name: 'getConfig'; readonly topic: string; readonly key: string; readonly broker: number }
  /** What has no register of its own: elections, reassignments, new partitions. */
  | { readonly name: 'other'; readonly what: string };

export interface AdminEvent {
  readonly kind: 'admin';
  readonly op: number;
  readonly call: AdminCall;
}

export interface AdminDoneEvent {
  readonly kind: 'adminDone';
  readonly op: number;
  /** Kafka's error name, `NONE` for success. */
  readonly error: string;
  /** Whether the call may have had its effect in spite of the error, or may have it later. */
  readonly definite: boolean;
  /** The topic id that a creation made or a description found. */
  readonly topicId?: Uuid | undefined;
  /** What a configuration was read as. */
  readonly value?: string | undefined;
}

/** A broker's answer could not be read, or was none. */
export interface ProtocolErrorEvent {
  readonly kind: 'protocolError';
  readonly text: string;
}

export interface KeyedRecord {
  readonly key: string;
  /** Unique in the whole run; `null` for a tombstone. */
  readonly value: string | null;
}

/** A batch is sent to a compacted partition, once. */
export interface KeyedSendEvent {
  readonly kind: 'keyedSend';
  readonly op: number;
  readonly partition: PartitionKey;
  readonly records: readonly KeyedRecord[];
}

/** It is acknowledged. */
export interface KeyedSentEvent {
  readonly kind: 'keyedSent';
  readonly op: number;
  /** Of the first record. */
  readonly offset: Offset;
}

/** `unknown`: nobody has said whether it was committed. */
export type TransactionOutcome = 'committed' | 'aborted' | 'unknown';

/** A producer begins a transaction: `txn` is its number in the run. */
export interface TransactionBeginEvent {
  readonly kind: 'txnBegin';
  readonly txn: number;
  readonly transactionalId: string;
  readonly producerId: Int64;
  readonly producerEpoch: number;
  /** The protocol that the producer speaks. */
  readonly transactionVersion: 1 | 2;
  /** A late request of an earlier transaction may touch it, in the old protocol: anything may become of it. */
  readonly isExposed: boolean;
}

/** A batch is sent in it. `values` are unique in the whole run. */
export interface TransactionSendEvent {
  readonly kind: 'txnSend';
  readonly txn: number;
  readonly op: number;
  readonly partition: PartitionKey;
  readonly values: readonly string[];
}

/** The batch is acknowledged. */
export interface TransactionSentEvent {
  readonly kind: 'txnSent';
  readonly op: number;
  /** Of the first value; -1 for a duplicate of which the broker does not know the offset. */
  readonly offset: Offset;
}

/** An offset of the group is sent in it; no other client commits for that group. */
export interface TransactionOffsetEvent {
  readonly kind: 'txnOffset';
  readonly txn: number;
  readonly group: string;
  /** Unique in the run. */
  readonly offset: number;
}

/** The transaction is over for its producer, who was told so, or goes on without it. */
export interface TransactionEndEvent {
  readonly kind: 'txnEnd';
  readonly txn: number;
  readonly outcome: TransactionOutcome;
}

/** The committed offset of the group was asked for, and is none that a transaction could still take back. */
export interface TransactionOffsetReadEvent {
  readonly kind: 'txnOffsetRead';
  readonly group: string;
  /** -1 if there is none. */
  readonly offset: Offset;
  /** All is at rest, and what was prepared is complete. */
  readonly isLast: boolean;
}

/** A fetch answer to a consumer that reads what is committed (read_committed), from where the one before it ended. */
export interface TransactionPollEvent {
  readonly kind: 'txnPoll';
  readonly partition: PartitionKey;
  readonly leaderEpoch: number;
  readonly records: readonly { readonly offset: Offset; readonly value: string }[];
  /** After the last batch of the answer. */
  readonly position: Offset;
  readonly lastStableOffset: Offset;
  readonly highWatermark: Offset;
  /** The last answer of the run: it has reached the end. */
  readonly isLast: boolean;
}

/** Somebody asks that the records before `offset` be deleted: from now on they may be gone. */
export interface DeleteRecordsEvent {
  readonly kind: 'deleteRecords';
  readonly op: number;
  readonly partition: PartitionKey;
  readonly offset: Offset;
}

/** They are: no live replica has anything before `lowWatermark`. */
export interface RecordsDeletedEvent {
  readonly kind: 'recordsDeleted';
  readonly op: number;
  readonly partition: PartitionKey;
  readonly lowWatermark: Offset;
}

/** Anything else that belongs into a timeline: faults, phases. */
export interface NoteEvent {
  readonly kind: 'note';
  readonly text: string;
}

/** What a client says; {@link History.record} adds who and when. */
export type Observation =
  | SendEvent
  | SentEvent
  | SendFailedEvent
  | SequenceErrorEvent
  | PollEvent
  | PositionEvent
  | ListedEvent
  | AdminEvent
  | AdminDoneEvent
  | KeyedSendEvent
  | KeyedSentEvent
  | TransactionBeginEvent
  | TransactionSendEvent
  | TransactionSentEvent
  | TransactionOffsetEvent
  | TransactionEndEvent
  | TransactionOffsetReadEvent
  | TransactionPollEvent
  | DeleteRecordsEvent
  | RecordsDeletedEvent
  | ProtocolErrorEvent
  | NoteEvent;

export type ObservationKind = Observation['kind'];

/** `Event` with the virtual time (ms) and the name of the client. */
export type Recorded<Event extends Observation = Observation> = Event & {
  readonly atMs: number;
  readonly process: string;
};

export type RecordedOf<Kind extends ObservationKind> = Recorded<Extract<Observation, { kind: Kind }>>;

/** What the clients of a run did and saw, in the order in which it happened. */
export class History implements SimHistory<Recorded> {
  readonly events: Recorded[] = [];
  private readonly nowMs: () => number;
  private nextOp = 1;

  /** `nowMs` is the time of the world, which no client's clock shows. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  record(process: string, observation: Observation): void {
    this.add({ ...observation, atMs: this.nowMs(), process });
  }

  add(event: Recorded): void {
    this.events.push(event);
  }

  /** A number for an operation, unique in the run. */
  newOp(): number {
    return this.nextOp++;
  }

  /** The first offset of each partition that nobody has asked to delete; those without such a wish are absent. */
  deletedBelow(): ReadonlyMap<PartitionKey, Offset> {
    const below = new Map<PartitionKey, Offset>();
    for (const { partition, offset } of this.of('deleteRecords')) {
      if (offset > (below.get(partition) ?? 0)) below.set(partition, offset);
    }
    return below;
  }

  *of<Kind extends ObservationKind>(kind: Kind): Generator<RecordedOf<Kind>, void, undefined> {
    for (const event of this.events) if (event.kind === kind) yield event as RecordedOf<Kind>;
  }
}
