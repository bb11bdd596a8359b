import { KafkaError } from '../../protocol/errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { ToolError } from '../tool-context.ts';
import {
  type AdminClient,
  type BrokerDescription,
  type PartitionDescription,
  partitionName,
} from './admin-client.ts';
import type { PlannedBroker, PlannedPartition } from './placement.ts';

const POLL_MS = 200;
const SETTLE_MS = 30_000;

/** What a tool has read of a cluster at one moment. */
export interface ClusterView {
  readonly clusterId: string;
  readonly brokers: readonly BrokerDescription[];
  readonly partitions: readonly PartitionDescription[];
  /** By broker id and {@link partitionName}, bytes; without the brokers that did not answer. */
  readonly sizes: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

/** A view without the sizes, which are much to ask for. */
type ClusterOutline = Omit<ClusterView, 'sizes'>;

async function readOutline(admin: AdminClient): Promise<ClusterOutline> {
  const { clusterId, brokers } = await admin.describeCluster();
  return { clusterId, brokers, partitions: await admin.partitions() };
}

export async function readCluster(admin: AdminClient): Promise<ClusterView> {
  return await withSizes(admin, await readOutline(admin));
}

async function withSizes(admin: AdminClient, outline: ClusterOutline): Promise<ClusterView> {
  const sizes = new Map<number, ReadonlyMap<string, number>>();
  for (const broker of outline.brokers) {
    if (broker.fenced) continue;
    try {
      sizes.set(broker.id, await admin.replicaSizes(broker));
    } catch (error) {
      // Plans and tables can do without: sizes only say which of two equal moves is cheaper.
      if (!(error instanceof KafkaError)) throw error;
    }
  }
  return { ...outline, sizes };
}

/**
 * The cluster, once all running brokers know the same replicas. One that is a moment behind the controller would name
 * replicas that a move which is over has removed, and a plan would count them.
 */
export async function readSettledCluster(
  { clock, timers }: Runtime,
  admin: AdminClient,
): Promise<ClusterView> {
  const deadlineMs = clock.monotonicMs() + SETTLE_MS;
  for (;;) {
    await new Promise<void>(resolve => timers.after(POLL_MS, resolve));
    const outline = await readOutline(admin);
    const behind = await brokerThatDiffers(admin, outline);
    if (behind === undefined) return await withSizes(admin, outline);
    if (clock.monotonicMs() >= deadlineMs) {
      throw new ToolError(
        `broker ${behind} knows other replicas than the rest of the cluster after ${SETTLE_MS / 1000} s: no plan can ` +
          'be made. If nothing else changes partitions now, look at its log for why it does not follow the metadata',
      );
    }
  }
}

async function brokerThatDiffers(
  admin: AdminClient,
  { brokers, partitions }: ClusterOutline,
): Promise<number | undefined> {
  const replicasOf = (known: readonly PartitionDescription[]): string =>
    JSON.stringify(known.map(({ topic, partition, replicas }) => [topic, partition, replicas]));
  const expected = replicasOf(partitions);
  for (const { id, fenced, host, port } of brokers) {
    if (fenced) continue;
    try {
      if (replicasOf(await admin.partitions({ host, port })) !== expected) return id;
    } catch (error) {
      // Who does not answer has told nothing wrong.
      if (!(error instanceof KafkaError)) throw error;
    }
  }
  return undefined;
}

/** Brokers that may take replicas: the ones that run. */
export function runningBrokers({ brokers }: ClusterView): PlannedBroker[] {
  return brokers.filter(({ fenced }) => !fenced).map(({ id, rack }) => ({ id, rack }));
}

/** Partitions as the planner wants them: a replica is as large as the one of the leader. */
export function plannedPartitions({ partitions, sizes }: ClusterView): PlannedPartition[] {
  return partitions.map(({ topic, partition, leader, replicas }) => ({
    topic,
    partition,
    replicas,
    bytes: sizes.get(leader)?.get(partitionName(topic, partition)) ?? 0,
  }));
}

/** What a broker holds. */
export interface BrokerLoad {
  readonly replicas: number;
  /** Partitions whose first replica it has. */
  readonly preferred: number;
  readonly bytes: number;
}

export function loadOf(broker: number, partitions: readonly PlannedPartition[]): BrokerLoad {
  const held = partitions.filter(({ replicas }) => replicas.includes(broker));
  return {
    replicas: held.length,
    preferred: held.filter(({ replicas }) => replicas[0] === broker).length,
    bytes: held.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
