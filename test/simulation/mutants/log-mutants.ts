import { AppendQueue } from '../../../src/log/append-queue.ts';
import { OffsetMap } from '../../../src/log/cleaner/offset-map.ts';
import { LeaderEpochFileCache } from '../../../src/log/leader-epoch-file-cache.ts';
import { LogCutter } from '../../../src/log/log-cutter.ts';
import { LogSegment } from '../../../src/log/log-segment.ts';
import { OffsetIndex } from '../../../src/log/offset-index.ts';
import { ProducerStateEntry } from '../../../src/log/producer-state-entry.ts';
import { ProducerStateManager } from '../../../src/log/producer-state-manager.ts';
import { UnifiedLog } from '../../../src/log/unified-log.ts';
import { RecordBatch } from '../../../src/record/record-batch.ts';
import { type Inner, type Mutant, patch } from './mutant.ts';

/** Defects of the log and of what is kept beside it. */
export const logMutants: readonly Mutant[] = [
  {
    name: 'duplicates-not-found',
    description: 'A batch that is sent again is not recognized.',
    caughtBy: ['T1', 'duplicate'],
    apply: () => {
      const find = patch(ProducerStateManager, 'findDuplicate', () => () => undefined);
      const validate = patch(ProducerStateManager, 'validate', () => () => {});
      return () => {
        validate();
        find();
      };
    },
  },
  {
    name: 'dedup-window-of-one',
    description: 'Only the last batch of a producer is remembered.',
    caughtBy: ['T1', 'duplicate', 'nonmonotonic-send'],
    apply: () =>
      patch(
        ProducerStateEntry,
        'addBatch',
        original =>
          function (this: Inner, producerEpoch: number, batch: Inner) {
            this.retained = [];
            original.call(this, producerEpoch, batch);
          },
      ),
  },
  {
    name: 'sequences-not-checked',
    description: 'A batch that comes too early is appended.',
    caughtBy: ['T1', 'nonmonotonic-send'],
    apply: () => patch(ProducerStateManager, 'validate', () => () => {}),
  },
  {
    name: 'follower-without-producer-state',
    description: 'A follower does not keep the producers of what it replicates.',
    caughtBy: ['T1', 'duplicate'],
    apply: () =>
      patch(
        UnifiedLog,
        'appendAsFollower',
        original =>
          function (this: Inner, records: Inner) {
            const undo = patch(ProducerStateManager, 'update', () => () => undefined);
            try {
              return original.call(this, records);
            } finally {
              undo();
            }
          },
      ),
  },
  {
    name: 'producer-state-survives-truncation',
    description: 'What a truncation takes from the log stays in the state of the producers.',
    caughtBy: ['T1'],
    apply: () => patch(LogCutter, 'rebuildProducerState', () => () => {}),
  },
  {
    name: 'producer-state-lost-at-restart',
    description: 'A log is opened without the state of its producers.',
    caughtBy: ['T1', 'duplicate'],
    apply: () =>
      patch(
        ProducerStateManager,
        'loadFromSnapshot',
        original =>
          function (this: Inner, ...given: Inner[]) {
            original.apply(this, given);
            this.producers.clear();
          },
      ),
  },
  {
    name: 'log-never-diverges',
    description: 'A leader does not notice that the log of a follower has parted from its own.',
    caughtBy: ['R1', 'R11', 'inconsistent-offsets'],
    apply: () =>
      patch(
        UnifiedLog,
        'endOffsetForEpoch',
        () =>
          function (this: Inner, leaderEpoch: number) {
            return { leaderEpoch, offset: this.logEndOffset };
          },
      ),
  },
  {
    name: 'epochs-survive-truncation',
    description: 'The leader epochs of records that were cut off stay in the cache.',
    caughtBy: ['R1', 'R11', 'R4', 'R8'],
    apply: () => patch(LeaderEpochFileCache, 'truncateFromEnd', () => () => {}),
  },
  {
    name: 'checksum-not-checked-by-follower',
    description: 'A follower takes batches from its leader without a look at their checksums.',
    caughtBy: ['S2', 'R1', 'R11', 'liveness'],
    apply: () =>
      patch(
        UnifiedLog,
        'appendAsFollower',
        original =>
          function (this: Inner, records: Inner) {
            const undo = patch(RecordBatch, 'isValid', () => () => true);
            try {
              return original.call(this, records);
            } finally {
              undo();
            }
          },
      ),
  },
  {
    name: 'damaged-end-is-kept',
    description: 'Recovery does not look at what is in a segment.',
    caughtBy: ['S2', 'S1', 'R1', 'protocol', 'exit', 'X10'],
    apply: () => patch(LogSegment, 'recover', () => () => 0),
  },
  {
    name: 'fsync-left-out',
    description: 'Under log.durability=fsync records are acknowledged before they are on the disk.',
    caughtBy: ['R4', 'lost-write', 'R3'],
    apply: () => patch(AppendQueue, 'sync', () => () => Promise.resolve()),
  },
  {
    name: 'index-one-entry-late',
    description: 'A lookup gives the index entry behind the right one.',
    caughtBy: ['poll-skip', 'R1', 'R11', 'S1', 'lost-write'],
    apply: () =>
      patch(
        OffsetIndex,
        'slotFor',
        original =>
          function (this: Inner, offset: Inner) {
            const slot = original.call(this, offset);
            return slot >= 0 && slot + 1 < this.entries ? slot + 1 : slot;
          },
      ),
  },
  {
    name: 'compaction-drops-the-last',
    description: 'Compaction takes the last record of a key for one that another has followed.',
    caughtBy: ['S10'],
    apply: () =>
      patch(
        OffsetMap,
        'hasLater',
        () =>
          function (this: Inner, bytes: Uint8Array, start: number, length: number, offset: Inner) {
            const last = this.get(bytes, start, length);
            return last !== undefined && last >= offset;
          },
      ),
  },
];
