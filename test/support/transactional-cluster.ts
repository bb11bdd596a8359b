import { launchOf, targetName } from './broker-target.ts';
import { ClusterProcess, combinedNodes } from './cluster-process.ts';

/**
 * A cluster of the suite's target, every topic of it, the internal ones too, with a replica on each of its brokers, and
 * with transactions that are ended within a second after their timeout. `ofNode`: more properties of the node at an index.
 */
export async function createTransactionalCluster(
  size: number,
  workDirectory: string,
  ofNode: (at: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<ClusterProcess> {
  const replicas = `${size}`;
  const inSync = size === 1 ? '1' : '2';
  const nodes = combinedNodes(
    await launchOf(targetName()),
    Array.from({ length: size }, (_, at) => at + 1),
  );
  return ClusterProcess.create({
    workDirectory,
    nodes: nodes.map((node, at) => ({ ...node, properties: ofNode(at) })),
    properties: {
      'default.replication.factor': replicas,
      'min.insync.replicas': inSync,
      'offsets.topic.replication.factor': replicas,
      'transaction.state.log.replication.factor': replicas,
      'transaction.state.log.min.isr': inSync,
      'transaction.state.log.num.partitions': '4',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    },
  });
}

/** Creates and starts it. */
export async function startTransactionalCluster(
  size: number,
  workDirectory: string,
  ofNode?: (at: number) => Readonly<Record<string, string>>,
): Promise<ClusterProcess> {
  const cluster = await createTransactionalCluster(size, workDirectory, ofNode);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.dispose();
    throw error;
  }
  return cluster;
}
