import type { ControlledPartition } from './partition-changes.ts';

/** A partition as the controller of a test has it: of three replicas two are in sync, and the first leads. */
export function controlledPartition(more: Partial<ControlledPartition> = {}): ControlledPartition {
  return {
    partition: 'topic:0',
    name: 'topic-0',
    replicas: [1, 2, 3],
    isr: [1, 2],
    elr: [],
    lastKnownElr: [],
    leader: 1,
    leaderEpoch: 4,
    partitionEpoch: 9,
    ...more,
  };
}
