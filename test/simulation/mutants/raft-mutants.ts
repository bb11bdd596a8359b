import type { Int64 } from '../../../src/base/int64.ts';
import { ConfigurationsImage } from '../../../src/metadata/configurations-image.ts';
import { LeaderState } from '../../../src/raft/leader-state.ts';
import { LogSummary } from '../../../src/raft/log-summary.ts';
import { FileQuorumStateStore } from '../../../src/raft/quorum-state-store.ts';
import { RaftCore } from '../../../src/raft/raft-core.ts';
import { RaftReplica } from '../../../src/raft/raft-replica.ts';
import { RaftReplication } from '../../../src/raft/raft-replication.ts';
import { KafkaMetadataLog } from '../../../src/server/kafka-metadata-log.ts';
import { type Inner, type Mutant, patch } from './mutant.ts';

/** Defects of the metadata quorum. */
export const raftMutants: readonly Mutant[] = [
  {
    name: 'raft-commit-old-epoch',
    description: 'A leader commits entries of earlier epochs by counting replicas.',
    caughtBy: ['M4', 'M6', 'M3'],
    apply: () => patch(RaftReplication, 'mayCommit', () => () => true),
  },
  {
    name: 'raft-vote-not-kept',
    description: 'The election state is not written to the disk.',
    caughtBy: ['M1', 'M2', 'M7'],
    apply: () => patch(FileQuorumStateStore, 'write', () => () => {}),
  },
  {
    name: 'raft-votes-twice',
    description: 'A voter forgets within an epoch whom it has voted for.',
    caughtBy: ['M2', 'M1'],
    apply: () =>
      patch(
        RaftCore,
        'handleVote',
        original =>
          function (this: Inner, request: Inner) {
            const { state } = this;
            if ((state.name === 'unattached' || state.name === 'prospective') && !request.preVote) {
              if (request.epoch === this.currentEpoch) this.state = { ...state, votedKey: undefined };
            }
            original.call(this, request);
          },
      ),
  },
  {
    name: 'raft-votes-for-short-log',
    description: 'A voter does not look at how far the log of a candidate goes.',
    caughtBy: ['M4', 'M6', 'exit'],
    apply: () =>
      patch(
        RaftCore,
        'handleVote',
        original =>
          function (this: Inner, request: Inner) {
            original.call(this, {
              ...request,
              lastEpoch: request.epoch,
              lastOffset: Number.MAX_SAFE_INTEGER,
            });
          },
      ),
  },
  {
    name: 'raft-commit-alone',
    description: 'A leader takes for committed what it alone has.',
    caughtBy: ['M4', 'M6', 'exit'],
    apply: () =>
      patch(
        LeaderState,
        'majorityOffset',
        () =>
          function (this: Inner, _voters: Inner, _self: Inner, durableEndOffset: Int64) {
            return durableEndOffset;
          },
      ),
  },
  {
    name: 'raft-log-not-synced',
    description: 'The metadata log is called durable without an fsync.',
    caughtBy: ['M4', 'M6', 'exit', 'M7'],
    apply: () => patch(KafkaMetadataLog, 'flush', () => () => Promise.resolve()),
  },
  {
    name: 'raft-no-divergence',
    description: 'A leader of the quorum does not notice that the log of a follower has parted from its own.',
    caughtBy: ['M3', 'M6', 'exit'],
    apply: () =>
      patch(
        LogSummary,
        'endOffsetForEpoch',
        () =>
          function (this: Inner, epoch: number) {
            return { epoch, offset: this.endOffset };
          },
      ),
  },
  {
    name: 'raft-wins-with-one-vote',
    description: 'A candidate leads without waiting for a majority.',
    caughtBy: ['M1', 'M4', 'M6'],
    apply: () =>
      patch(
        RaftReplica,
        'becomeCandidate',
        original =>
          function (this: Inner, retries: number) {
            original.call(this, retries);
            if (this.state.name === 'candidate') this.becomeLeader(this.state.votes);
          },
      ),
  },
  {
    name: 'snapshot-without-configs',
    description: 'Snapshots of the metadata leave the configurations out.',
    caughtBy: ['M6', 'M10'],
    apply: () => patch(ConfigurationsImage, 'records', () => () => []),
  },
];
