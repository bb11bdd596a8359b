import type { PartitionRegistration } from '../../../src/metadata/partition-registration.ts';
import { errorName, KafkaError } from '../../../src/protocol/errors.ts';
import type { ControllerHarness } from './controller-harness.ts';

/** Creates a topic whose partitions are on the brokers given, in order. */
export async function withReplicas(
  harness: ControllerHarness,
  name: string,
  replicas: readonly (readonly number[])[],
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const assignments = replicas.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: [...ids] }));
  const topic = {
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments,
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  };
  const [result] = await harness.controller.createTopics({
    topics: [topic],
    timeoutMs: 1000,
    validateOnly: false,
  });
  if (result!.errorCode !== 0) throw new Error(result!.errorMessage ?? 'the topic was not created');
}

export function partitionOf(harness: ControllerHarness, topic: string, id = 0): PartitionRegistration {
  return harness.controller.image().topics.partition(topic, id)!;
}

export function epochOf(harness: ControllerHarness, brokerId: number): number {
  return Number(harness.controller.image().cluster.broker(brokerId)!.epoch);
}

/** The name of the error that a request failed with, or `NONE`. */
export async function errorOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'NONE',
    error => {
      if (!(error instanceof KafkaError)) throw error;
      return errorName(error.code);
    },
  );
}
