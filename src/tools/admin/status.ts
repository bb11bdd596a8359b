import { bytesText, textTable } from '../text-table.ts';
import type { ToolContext } from '../tool-context.ts';
import { type AdminClient, partitionName, type PartitionDescription } from './admin-client.ts';
import { loadOf, plannedPartitions, readCluster } from './cluster-view.ts';

/** Partitions that are listed one by one. */
const LISTED_MAX = 20;
/** A voter that runs asks for records several times as often. */
const SILENT_MS = 5_000;

/** `odradek cluster status` */
export async function printStatus(context: ToolContext, admin: AdminClient, json: boolean): Promise<void> {
  const view = await readCluster(admin);
  const quorum = await admin.quorum();
  const reassigning = await admin.reassignments();
  const planned = plannedPartitions(view);
  const brokers = view.brokers.map(({ id, host, port, rack, fenced }) => {
    const { replicas, preferred, bytes } = loadOf(id, planned);
    const leaders = view.partitions.filter(({ leader }) => leader === id).length;
    const state = fenced ? 'not running' : 'running';
    return { id, address: `${host}:${port}`, rack, state, leaders, preferred, replicas, bytes };
  });
  const controllers = quorum.voters.map(({ id, lag, silentMs }) => ({
    id,
    role: id === quorum.leaderId ? 'leader' : 'follower',
    state: silentMs > SILENT_MS ? `silent for ${Math.round(silentMs / 1000)} s` : 'running',
    lag,
  }));
  const offline = view.partitions.filter(({ leader }) => leader < 0);
  const underReplicated = view.partitions.filter(({ isr, replicas }) => isr.length < replicas.length);
  if (json) {
    const partitions = { total: view.partitions.length, offline, underReplicated, reassigning };
    context.print(JSON.stringify({ clusterId: view.clusterId, brokers, controllers, partitions }, null, 2));
    return;
  }
  context.print(`Cluster ${view.clusterId}`);
  context.print('');
  const print = (lines: readonly string[]): void => {
    for (const line of lines) context.print(line);
  };
  print(
    textTable(
      ['broker', 'address', 'rack', 'state', 'leaders', 'preferred', 'replicas', 'size'],
      brokers.map(each => [
        String(each.id),
        each.address,
        each.rack ?? '',
        each.state,
        each.leaders,
        each.preferred,
        each.replicas,
        bytesText(each.bytes),
      ]),
    ),
  );
  context.print('');
  print(
    textTable(
      ['controller', 'role', 'state', 'records behind'],
      controllers.map(({ id, role, state, lag }) => [String(id), role, state, lag]),
    ),
  );
  context.print('');
  context.print(
    `${view.partitions.length} partitions: ${offline.length} without a leader, ${underReplicated.length} with ` +
      `replicas that are not in sync, ${reassigning.length} being moved`,
  );
  for (const each of underReplicated.slice(0, LISTED_MAX)) context.print(`  ${lineOf(each)}`);
  if (underReplicated.length > LISTED_MAX) context.print(`  and ${underReplicated.length - LISTED_MAX} more`);
}

function lineOf({ topic, partition, leader, replicas, isr }: PartitionDescription): string {
  const leads = leader < 0 ? 'no leader' : `leader ${leader}`;
  const missing = replicas.filter(id => !isr.includes(id));
  return `${partitionName(topic, partition)}: ${leads}, not in sync: ${missing.join(', ')}`;
}
