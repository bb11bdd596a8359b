import type { Offset } from '../../../src/base/int64.ts';
import type { CheckOptions, Checker } from './checker.ts';
import type { BatchAtRest, FinalState, PartitionAtRest, ReplicaAtRest } from './final-state.ts';
import { type AdminCall, History, type PartitionKey, type PollEvent, type PositionEvent } from './history.ts';

/** The one partition of most hand-made histories. */
export const P: PartitionKey = 'topic:0';
export const STRICT: CheckOptions = {
  lossAllowed: false,
  uncleanElections: false,
  atRest: true,
  lateBytes: false,
};
export const EMPTY: FinalState = { atMs: 1000, replicas: [], metadataLogs: [], partitions: [], up: [] };

/** Makes histories by hand. Each step takes one ms. */
export class HistoryBuilder {
  private nowMs = 0;
  readonly history = new History(() => this.nowMs++);

  /** A batch is sent. Returns the number of the operation. */
  send(
    process: string,
    values: readonly string[],
    options: { acks?: number; idempotent?: boolean; partition?: PartitionKey } = {},
  ): number {
    const op = this.history.newOp();
    const { acks = -1, idempotent = true, partition = P } = options;
    this.history.record(process, { kind: 'send', op, partition, values, acks, idempotent });
    return op;
  }

  sent(op: number, offset: Offset): this {
    this.history.record('p', { kind: 'sent', op, offset });
    return this;
  }

  /** {@link send} and {@link sent}. */
  write(process: string, values: readonly string[], offset: Offset): this {
    return this.sent(this.send(process, values), offset);
  }

  failed(op: number, definite: boolean): this {
    this.history.record('p', { kind: 'sendFailed', op, error: 'FAILED', definite });
    return this;
  }

  assign(
    process: string,
    session: number,
    offset: Offset,
    reason: PositionEvent['reason'] = 'assign',
    from: Offset = 0,
  ): this {
    this.history.record(process, { kind: 'position', session, partition: P, offset, from, reason });
    return this;
  }

  /** A poll of records at consecutive offsets from `offset` on, unless `records` says which. */
  poll(
    process: string,
    session: number,
    offset: Offset,
    values: readonly string[],
    options: Partial<PollEvent> = {},
  ): this {
    const records = values.map((value, index) => ({ offset: Number(offset) + index, value, leaderEpoch: 0 }));
    this.history.record(process, {
      kind: 'poll',
      session,
      partition: P,
      broker: 1,
      fromFollower: false,
      leaderEpoch: 0,
      fetchOffset: offset,
      records,
      highWatermark: Number(offset) + values.length,
      logStartOffset: 0,
      ...options,
    });
    return this;
  }

  /** Somebody asks that the records before `offset` go. */
  deleteRecords(process: string, offset: Offset): this {
    const op = this.history.newOp();
    this.history.record(process, { kind: 'deleteRecords', op, partition: P, offset });
    return this;
  }

  listed(process: string, offset: Offset, leaderEpoch = 0): this {
    const asked = this.history.events.length;
    this.history.record(process, { kind: 'listed', partition: P, leaderEpoch, offset, asked });
    return this;
  }

  call(process: string, call: AdminCall): number {
    const op = this.history.newOp();
    this.history.record(process, { kind: 'admin', op, call });
    return op;
  }

  answer(
    op: number,
    error: string,
    more: { topicId?: string; value?: string; definite?: boolean } = {},
  ): this {
    this.history.record('a', { kind: 'adminDone', op, error, definite: true, ...more });
    return this;
  }

  /** What `checker` finds, by invariant. */
  check(checker: Checker, end: FinalState = EMPTY, options: CheckOptions = STRICT): string[] {
    return checker(this.history, end, options).map(({ invariant }) => invariant);
  }
}

/** A batch with the given values. Its digest follows from what it is made of. */
export function batchAtRest(
  baseOffset: number,
  values: readonly string[],
  options: Partial<BatchAtRest> = {},
): BatchAtRest {
  const leaderEpoch = options.leaderEpoch ?? 0;
  return {
    baseOffset,
    lastOffset: baseOffset + values.length - 1,
    leaderEpoch,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    isControl: false,
    isTransactional: false,
    crcIsValid: true,
    values,
    offsets: values.map((_, index) => baseOffset + index),
    digest: `${baseOffset} ${leaderEpoch} ${values.join()}`,
    ...options,
  };
}

export function replicaAtRest(
  node: number,
  batches: readonly BatchAtRest[],
  options: Partial<ReplicaAtRest> = {},
): ReplicaAtRest {
  return { node, partition: P, name: 'topic-0', batches, logStartOffset: 0, damage: undefined, ...options };
}

/** A partition that nodes 1, 2 and 3 hold, all in sync, led by node 1. */
export const PARTITION: PartitionAtRest = {
  partition: P,
  name: 'topic-0',
  leader: 1,
  leaderEpoch: 0,
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
};
