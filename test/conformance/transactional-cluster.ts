import { launchOf, targetName } from '../support/broker-target.ts';
import { ClusterProcess, combinedNodes } from '../support/cluster-process.ts';

/**
 * A cluster of the target's brokers, started, each a controller too: whatever it keeps has as many replicas as there are
 * brokers, of which all but one must be in sync.
 */
export async function startTransactionalCluster(
  brokers: number,
  workDirectory: string,
): Promise<ClusterProcess> {
  const replicas = `${brokers}`;
  const inSync = `${Math.max(1, brokers - 1)}`;
  const ids = Array.from({ length: brokers }, (_, index) => index + 1);
  const cluster = await ClusterProcess.create({
    workDirectory,
    nodes: combinedNodes(await launchOf(targetName()), ids),
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
  await cluster.start();
  return cluster;
}
