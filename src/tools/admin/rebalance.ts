import { bytesText, textTable } from '../text-table.ts';
import { type ToolContext, ToolError } from '../tool-context.ts';
import { type AdminClient, partitionName } from './admin-client.ts';
import {
  type ClusterView,
  loadOf,
  plannedPartitions,
  readSettledCluster,
  runningBrokers,
} from './cluster-view.ts';
import type { PlannedPartition } from './placement.ts';
import { progressPrinter } from './progress-line.ts';
import { ReassignmentExecutor } from './reassignment-executor.ts';
import { type PlannedChange, planRebalance } from './reassignment-planner.ts';

export interface RebalanceOptions {
  readonly execute: boolean;
  readonly json: boolean;
  /** Bytes a second; 0 for no limit. */
  readonly throttle: number;
  readonly concurrency: number;
}

/** `odradek cluster rebalance`: shows a plan, and carries it out if that is wanted. */
export async function rebalance(
  context: ToolContext,
  admin: AdminClient,
  { execute, json, throttle, concurrency }: RebalanceOptions,
): Promise<void> {
  const onProgress = json ? () => {} : progressPrinter(context);
  const { brokers } = await admin.describeCluster();
  const executor = new ReassignmentExecutor(context.runtime, admin, brokers, {
    throttle,
    concurrency,
    onProgress,
  });
  const ongoing = await admin.reassignments();
  if (ongoing.length > 0) {
    const first = partitionName(ongoing[0]!.topic, ongoing[0]!.partition);
    const what = `${ongoing.length} partitions that are being moved already, the first is ${first}`;
    if (!execute) throw new ToolError(`there are ${what}: wait for the end of that, then ask again`);
    if (!json) context.print(`Waiting for ${what}`);
    await executor.finishOngoing();
  } else if (execute) {
    await executor.removeThrottles();
  }
  const view = await readSettledCluster(context.runtime, admin);
  const partitions = plannedPartitions(view);
  const plan = planRebalance(runningBrokers(view), partitions);
  if (json) printJson(context, plan);
  else printPlan(context, view, partitions, plan);
  if (plan.length === 0 || !execute) {
    if (plan.length > 0 && !json) context.print('\nNothing has been moved: --execute carries the plan out.');
    return;
  }
  await executor.execute(plan);
  await verify(admin, plan);
  if (!json) context.print('Done: replicas and leaders are where the plan has them.');
}

function printJson(context: ToolContext, plan: readonly PlannedChange[]): void {
  // The form that kafka-reassign-partitions takes and prints, with what is besides.
  const partitions = plan.map(({ topic, partition, from, to, bytes }) => ({
    topic,
    partition,
    replicas: to,
    currentReplicas: from,
    bytes,
  }));
  context.print(JSON.stringify({ version: 1, partitions }, null, 2));
}

function printPlan(
  context: ToolContext,
  view: ClusterView,
  before: readonly PlannedPartition[],
  plan: readonly PlannedChange[],
): void {
  if (plan.length === 0) {
    context.print('Replicas and leaders are spread evenly: there is nothing to move.');
    return;
  }
  const targets = new Map(plan.map(each => [partitionName(each.topic, each.partition), each.to]));
  const after = before.map(each => ({
    ...each,
    replicas: targets.get(partitionName(each.topic, each.partition)) ?? each.replicas,
  }));
  const rows = plan.map(({ topic, partition, from, to, bytes }) => [
    partitionName(topic, partition),
    from.join(', '),
    to.join(', '),
    bytes === 0 && to.every(id => from.includes(id)) ? 'leader only' : bytesText(bytes),
  ]);
  for (const line of textTable(['partition', 'replicas', 'will be', 'copied'], rows)) context.print(line);
  context.print('');
  const change = (from: number | string, to: number | string): string =>
    from === to ? `${to}` : `${from} -> ${to}`;
  const loads = view.brokers.map(({ id, rack }) => {
    const [was, will] = [loadOf(id, before), loadOf(id, after)];
    return [
      String(id),
      rack ?? '',
      change(was.replicas, will.replicas),
      change(was.preferred, will.preferred),
      change(bytesText(was.bytes), bytesText(will.bytes)),
    ];
  });
  for (const line of textTable(['broker', 'rack', 'replicas', 'leaders', 'size'], loads)) context.print(line);
  const bytes = plan.reduce((sum, each) => sum + each.bytes, 0);
  context.print(`\n${plan.length} partitions change, ${bytesText(bytes)} are copied.`);
}

/** Holds what the cluster says against the plan. */
async function verify(admin: AdminClient, plan: readonly PlannedChange[]): Promise<void> {
  const now = new Map(
    (await admin.partitions()).map(each => [partitionName(each.topic, each.partition), each]),
  );
  const wrong = plan.flatMap(({ topic, partition, to }) => {
    const name = partitionName(topic, partition);
    const found = now.get(name);
    if (found === undefined || found.replicas.join() === to.join()) return [];
    return [`${name}: replicas ${found.replicas.join(', ')} instead of ${to.join(', ')}`];
  });
  if (wrong.length > 0) {
    throw new ToolError(
      `somebody else has moved partitions meanwhile, or has cancelled the move:\n${wrong.join('\n')}`,
    );
  }
}
