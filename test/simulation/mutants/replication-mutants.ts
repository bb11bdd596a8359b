import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { DelayedProduce } from '../../../src/replication/delayed-produce.ts';
import { FetcherPartition } from '../../../src/replication/fetcher-partition.ts';
import { FetchReader } from '../../../src/replication/fetch-reader.ts';
import { Partition } from '../../../src/replication/partition.ts';
import { PartitionIsr } from '../../../src/replication/partition-isr.ts';
import { PartitionWaits } from '../../../src/replication/partition-waits.ts';
import { ReplicaFetcher } from '../../../src/replication/replica-fetcher.ts';
import { type Inner, type Mutant, patch, patchGetter } from './mutant.ts';

/** Defects of replication. */
export const replicationMutants: readonly Mutant[] = [
  {
    name: 'canary',
    description: 'acks=all is answered when the leader alone has written the records.',
    caughtBy: ['R4', 'lost-write'],
    apply: () =>
      patch(
        DelayedProduce,
        'awaitReplicas',
        () =>
          function (this: Inner, index: number) {
            this.complete(index, undefined);
          },
      ),
  },
  {
    name: 'hw-of-leader-alone',
    description: 'The high watermark follows the log of the leader.',
    caughtBy: ['R3', 'R4'],
    apply: () =>
      patch(
        Partition,
        'maybeIncrementHighWatermark',
        () =>
          function (this: Inner) {
            const log = this.localLog;
            if (log === undefined || !this.isLeader || this.isUnderMinIsr) return;
            if (log.logEndOffset > log.highWatermark) log.maybeIncrementHighWatermark(log.logEndOffset);
          },
      ),
  },
  {
    name: 'hw-forgets-leaving',
    description:
      'A member that the leader wants out of the ISR does not hold the high watermark back any more.',
    caughtBy: ['R3', 'R4'],
    apply: () =>
      patch(
        PartitionIsr,
        'propose',
        original =>
          function (this: Inner, pending: Inner, isr: Inner) {
            const shrinks = pending.kind === 'pendingShrink';
            original.call(this, shrinks ? { ...pending, maximalIsr: isr } : pending, isr);
            if (shrinks) this.partition.maybeIncrementHighWatermark();
          },
      ),
  },
  {
    name: 'hw-ignores-joining',
    description: 'A member that is about to join the ISR does not hold the high watermark back.',
    caughtBy: ['R3', 'R4'],
    apply: () => {
      const joining = patch(PartitionIsr, 'isJoining', () => () => false);
      const pending = patch(
        PartitionIsr,
        'propose',
        original =>
          function (this: Inner, state: Inner, isr: Inner) {
            original.call(this, { ...state, maximalIsr: state.isr }, isr);
          },
      );
      return () => {
        pending();
        joining();
      };
    },
  },
  {
    name: 'min-isr-ignored',
    description: 'min.insync.replicas is not looked at.',
    caughtBy: ['R3', 'R4'],
    apply: () => patchGetter(Partition, 'effectiveMinIsr', () => () => 0),
  },
  {
    name: 'joins-without-catching-up',
    description: 'A follower joins the ISR with its first fetch.',
    caughtBy: ['R3', 'R4'],
    apply: () =>
      patch(
        PartitionIsr,
        'maybeExpandIsr',
        () =>
          function (this: Inner, replica: Inner) {
            const { state } = this;
            if (state.kind !== 'committed' || state.isr.includes(replica.brokerId)) return;
            if (this.partition.log === undefined || !this.isEligible(replica)) return;
            const maximalIsr = [...state.isr, replica.brokerId];
            this.propose({ ...state, kind: 'pendingExpand', maximalIsr }, maximalIsr);
          },
      ),
  },
  {
    name: 'joins-at-high-watermark',
    description: 'A follower joins the ISR without the records that the leader had when its epoch began.',
    caughtBy: ['R4', 'R3'],
    apply: () =>
      patch(
        PartitionIsr,
        'maybeExpandIsr',
        original =>
          function (this: Inner, replica: Inner) {
            const { partition } = this;
            const start = partition.epochStartOffset;
            if (start !== undefined) partition.epochStartOffset = 0;
            original.call(this, replica);
            if (start !== undefined && partition.epochStartOffset !== undefined)
              partition.epochStartOffset = start;
          },
      ),
  },
  {
    name: 'epochs-not-checked',
    description: 'Leaders take requests of every leader epoch.',
    caughtBy: ['R1', 'R4', 'R3'],
    apply: () => patch(Partition, 'checkLeaderEpoch', () => () => {}),
  },
  {
    name: 'fetch-of-earlier-life',
    description: 'A fetch of an earlier life of a broker counts for its present one.',
    caughtBy: ['R3', 'R4'],
    apply: () =>
      patch(
        Partition,
        'updateFollowerFetchState',
        original =>
          function (this: Inner, brokerId: number, fetch: Inner) {
            original.call(this, brokerId, { ...fetch, brokerEpoch: -1 });
          },
      ),
  },
  {
    name: 'deposed-leader-acknowledges',
    description: 'A leader that is deposed answers what waits for other replicas with success.',
    caughtBy: ['R4', 'lost-write', 'unseen'],
    apply: () =>
      patch(
        PartitionWaits,
        'onRole',
        original =>
          function (this: Inner, makeError: () => KafkaError) {
            const waits = this.highWatermarkWaits;
            this.highWatermarkWaits = [];
            for (const wait of waits) wait.callback(undefined);
            original.call(this, makeError);
          },
      ),
  },
  {
    name: 'timeout-acknowledges',
    description: 'A produce request whose time is over is answered with success.',
    caughtBy: ['R4', 'lost-write', 'unseen'],
    apply: () =>
      patch(
        DelayedProduce,
        'expire',
        () =>
          function (this: Inner) {
            for (let index = 0; index < this.waiting.length; index++) this.complete(index, undefined);
          },
      ),
  },
  {
    name: 'truncate-to-high-watermark',
    description: 'A follower cuts its log to its high watermark when it gets a new leader (before KIP-101).',
    caughtBy: ['R4', 'R3', 'R8'],
    apply: () =>
      patch(
        FetcherPartition,
        'prepare',
        () =>
          function (this: Inner, logger: Inner) {
            if (this.log.logEndOffset > this.log.highWatermark) this.truncate(this.log.highWatermark, logger);
          },
      ),
  },
  {
    name: 'truncate-one-too-many',
    description: 'A follower cuts one record more than it has to.',
    caughtBy: ['R8', 'R3', 'R4'],
    apply: () =>
      patch(
        FetcherPartition,
        'truncate',
        original =>
          function (this: Inner, offset: Inner, logger: Inner) {
            original.call(this, offset > 0 ? Number(offset) - 1 : offset, logger);
          },
      ),
  },
  {
    name: 'follower-does-not-truncate',
    description:
      'A follower fetches without the epoch of its last record: a log that has parted is not noticed.',
    caughtBy: ['R1', 'R11', 'inconsistent-offsets'],
    apply: () => patchGetter(FetcherPartition, 'lastFetchedEpoch', () => () => -1),
  },
  {
    name: 'follower-high-watermark-of-log-end',
    description: 'A follower takes all it has for committed.',
    caughtBy: ['R8', 'R12', 'R3'],
    apply: () =>
      patch(
        FetcherPartition,
        'onLeaderOffsets',
        original =>
          function (this: Inner, _highWatermark: Inner, logStartOffset: Inner) {
            original.call(this, this.log.logEndOffset, logStartOffset);
          },
      ),
  },
  {
    name: 'follower-acknowledges-unwritten',
    description: 'A follower asks for the next records before those it got are written.',
    caughtBy: ['R3', 'R4'],
    apply: () => {
      const offset = patchGetter(FetcherPartition, 'fetchOffset', () => fetchStagedEnd);
      const append = patch(
        ReplicaFetcher,
        'append',
        original =>
          function (this: Inner, state: Inner, fetched: Inner, records: Inner) {
            this.changed.add(state);
            original.call(this, state, fetched, records, { begin() {}, end() {} });
          },
      );
      return () => {
        append();
        offset();
      };
    },
  },
  {
    name: 'fetch-session-forgets',
    description: 'A fetcher drops a partition from its session after an answer with records.',
    caughtBy: ['R11', 'M11', 'unseen', 'liveness'],
    apply: () =>
      patch(
        ReplicaFetcher,
        'onAppended',
        original =>
          function (this: Inner, state: Inner, fetched: Inner, bytes: number) {
            original.call(this, state, fetched, bytes);
            if (this.runtime.random.below(50) === 0) this.partitions.delete([...this.partitions.keys()][0]);
          },
      ),
  },
  {
    name: 'serves-uncommitted',
    description: 'Consumers may read to the end of the log.',
    caughtBy: ['R5', 'R12', 'R4'],
    apply: () =>
      patch(
        FetchReader,
        'readForConsumer',
        original =>
          function (this: Inner, params: Inner, ...rest: Inner[]) {
            return original.call(this, { ...params, isolation: 'logEnd' }, ...rest);
          },
      ),
  },
  {
    name: 'stale-role-is-taken',
    description: 'A leader keeps answering after its broker has learnt of another leader.',
    caughtBy: ['R2', 'R4', 'R1', 'inconsistent-offsets'],
    apply: () =>
      patch(
        Partition,
        'makeFollower',
        original =>
          function (this: Inner, registration: Inner, log: Inner) {
            if (this.isLeader && registration.leader >= 0) {
              this.current = registration;
              return false;
            }
            return original.call(this, registration, log);
          },
      ),
  },
];

function fetchStagedEnd(this: Inner): Inner {
  if (this.log === undefined) throw new KafkaError(Errors.KAFKA_STORAGE_ERROR);
  return this.log.stagedEndOffset;
}
