import { PartitionChangeBuilder } from '../../../src/controller/partition-change-builder.ts';
import { ReplicationControlManager } from '../../../src/controller/replication-control-manager.ts';
import { type Inner, type Mutant, patch } from './mutant.ts';

/** The latest partition of the image that an AlterPartition request is about. */
function latestOf(image: Inner, topic: Inner, partition: Inner): Inner {
  const found = image.topics.topicById(topic.topicId) ?? image.topics.topic(topic.topicName);
  return found?.partitions[partition.partitionIndex];
}

/** `change` is made to each partition of an AlterPartition request, before the controller looks at it. */
function alterRequests(change: (image: Inner, partition: Inner, latest: Inner) => Inner): () => () => void {
  return () =>
    patch(
      ReplicationControlManager,
      'alterPartition',
      original =>
        function (this: Inner, image: Inner, request: Inner, apiVersion: number) {
          const topics = request.topics.map((topic: Inner) => ({
            ...topic,
            partitions: topic.partitions.map((partition: Inner) => {
              const latest = latestOf(image, topic, partition);
              return latest === undefined ? partition : change(image, partition, latest);
            }),
          }));
          return original.call(this, image, { ...request, topics }, apiVersion);
        },
    );
}

/** Defects of the controller. */
export const controllerMutants: readonly Mutant[] = [
  {
    name: 'isr-without-partition-epoch',
    description: 'The controller takes an ISR that was proposed on top of an older state of the partition.',
    caughtBy: ['R3', 'R4', 'lost-write'],
    apply: alterRequests((_image, partition, latest) => ({
      ...partition,
      partitionEpoch: latest.partitionEpoch,
    })),
  },
  {
    name: 'isr-without-broker-epoch',
    description: 'The controller lets a broker into an ISR for what an earlier life of it had fetched.',
    caughtBy: ['R3', 'R4', 'R11'],
    apply: alterRequests((_image, partition) => ({
      ...partition,
      newIsrWithEpochs: partition.newIsrWithEpochs.map((each: Inner) => ({ ...each, brokerEpoch: -1 })),
    })),
  },
  {
    name: 'isr-without-leader-epoch',
    description: 'The controller takes an ISR from the leader of an earlier epoch.',
    caughtBy: ['R3', 'R4'],
    apply: alterRequests((_image, partition, latest) => ({
      ...partition,
      leaderEpoch: latest.leaderEpoch,
      partitionEpoch: latest.partitionEpoch,
    })),
  },
  {
    name: 'election-outside-isr',
    description: 'The first replica that is alive leads, in the ISR or not.',
    caughtBy: ['R4', 'R8', 'lost-write'],
    apply: () =>
      patch(
        PartitionChangeBuilder,
        'elect',
        original =>
          function (this: Inner) {
            const { isAcceptableLeader } = this.options;
            const { leader } = this.partition;
            if (leader >= 0 && this.mayLead(leader)) return original.call(this);
            const next = this.targetReplicas.find((id: number) => isAcceptableLeader(id));
            if (next === undefined) return original.call(this);
            if (!this.targetIsr.includes(next)) this.targetIsr = [next];
            return { leader: next, unclean: false };
          },
      ),
  },
  {
    name: 'unclean-restart-ignored',
    description: 'A broker that comes back from a power failure stays in the ISR and may lead (KIP-966).',
    caughtBy: ['R4', 'lost-write', 'R3', 'R9'],
    apply: () =>
      patch(
        ReplicationControlManager,
        'updates',
        original =>
          function (this: Inner, image: Inner, change: Inner, ...rest: Inner[]) {
            return change.uncleanShutdown === undefined ? original.call(this, image, change, ...rest) : [];
          },
      ),
  },
  {
    name: 'removed-replica-is-not-fenced',
    description: 'The leader epoch stays when a replica is taken away from a partition.',
    caughtBy: ['R2', 'R3', 'R8'],
    apply: () => patch(PartitionChangeBuilder, 'mustFenceReplicas', () => () => false),
  },
];
