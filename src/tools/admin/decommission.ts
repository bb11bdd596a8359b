import type { Runtime } from '../../runtime/runtime.ts';
import { type ToolContext, ToolError } from '../tool-context.ts';
import {
  type AdminClient,
  type BrokerDescription,
  type PartitionDescription,
  partitionName,
  type QuorumDescription,
} from './admin-client.ts';
import { plannedPartitions, readSettledCluster, runningBrokers } from './cluster-view.ts';
import { progressPrinter } from './progress-line.ts';
import { ReassignmentExecutor } from './reassignment-executor.ts';
import { planDecommission } from './reassignment-planner.ts';

export interface DecommissionOptions {
  /** Bytes a second; 0 for no limit. */
  readonly throttle: number;
  readonly concurrency: number;
  /** A controller is taken out of the metadata quorum too, where voters are in its log. */
  readonly removeVoter: boolean;
}

/** While a broker is emptied the cluster may place new partitions on it; after so many rounds somebody must look. */
const ROUNDS_MAX = 10;
const UNREGISTER_MS = 10_000;
const POLL_MS = 200;

/**
 * `odradek cluster decommission`: moves every replica off a broker, then unregisters it. What has been moved stays
 * moved: after an interruption the same command goes on with the rest.
 */
export async function decommission(
  context: ToolContext,
  admin: AdminClient,
  node: number,
  { throttle, concurrency, removeVoter }: DecommissionOptions,
): Promise<void> {
  const { clusterId, brokers } = await admin.describeCluster();
  const quorum = await admin.quorum();
  if (removeVoter) checkVoter(node, quorum);
  const leaving = brokers.find(({ id }) => id === node);
  if (leaving === undefined && removeVoter) {
    // An earlier run has come as far as this.
    await removeFromQuorum(context, admin, clusterId, node);
    return;
  }
  if (leaving === undefined) {
    const known = brokers.map(({ id }) => id).join(', ');
    throw new ToolError(`there is no broker ${node} in this cluster; its brokers are ${known}`);
  }
  const options = { throttle, concurrency, onProgress: progressPrinter(context) };
  const executor = new ReassignmentExecutor(context.runtime, admin, brokers, options);
  refuseLostPartitions(node, await admin.partitions());
  const ongoing = await admin.reassignments();
  if (ongoing.length > 0) {
    context.print(`Waiting for ${ongoing.length} partitions that are being moved already`);
    await executor.finishOngoing();
  } else {
    await executor.removeThrottles();
  }
  for (let round = 0; ; round++) {
    const view = await readSettledCluster(context.runtime, admin);
    refuseLostPartitions(node, view.partitions);
    const others = runningBrokers(view).filter(({ id }) => id !== node);
    const plan = planDecommission(leaving, others, plannedPartitions(view));
    if (plan.length === 0) break;
    if (round === ROUNDS_MAX) {
      throw new ToolError(
        `broker ${node} gets new partitions as fast as it loses them, ${plan.length} of them now: stop its process, ` +
          'then run this again',
      );
    }
    context.print(`Moving ${plan.length} partitions off broker ${node}`);
    await executor.execute(plan);
  }
  await unregister(context, admin, leaving);
  if (removeVoter) await removeFromQuorum(context, admin, clusterId, node);
  else if (isVoter(quorum, node)) context.print(voterAdvice(node, quorum));
}

/** A partition of which no replica that is complete runs can be copied from nowhere: waiting for it has no end. */
function refuseLostPartitions(node: number, partitions: readonly PartitionDescription[]): void {
  const lost = partitions.filter(({ leader, replicas }) => leader < 0 && replicas.includes(node));
  if (lost.length === 0) return;
  const { topic, partition, replicas, isr } = lost[0]!;
  const complete = isr.length > 0 ? isr : replicas;
  const more = lost.length === 1 ? '' : `, and ${lost.length - 1} more partitions are like it`;
  throw new ToolError(
    `${partitionName(topic, partition)} cannot be moved off broker ${node}: the only complete replica is on broker ` +
      `${complete.join(', ')}, which is not running${more}. Start it, then run this again. If its disk is gone for ` +
      'good, so are records of the partition: then delete the topic, or have another replica elected with ' +
      'kafka-leader-election.sh --election-type unclean if there is one',
  );
}

function isVoter({ voters }: QuorumDescription, node: number): boolean {
  return voters.some(({ id }) => id === node);
}

/** Whether `--remove-voter` can be done is found out before anything moves. */
function checkVoter(node: number, quorum: QuorumDescription): void {
  if (!isVoter(quorum, node)) {
    throw new ToolError(`--remove-voter: node ${node} is no voter of the metadata quorum`);
  }
  if (!quorum.isDynamic) {
    throw new ToolError(`--remove-voter: ${voterAdvice(node, quorum)}`);
  }
  if (quorum.voters.length === 1) {
    throw new ToolError(
      `--remove-voter: node ${node} is the only voter of the metadata quorum. Add another controller to it first`,
    );
  }
}

/** What is left to do about a node that still votes. */
function voterAdvice(node: number, { voters, isDynamic }: QuorumDescription): string {
  const counts = `node ${node} is a controller too and one of the ${voters.length} voters of the metadata quorum`;
  if (isDynamic) {
    const command = `odradek cluster decommission ${node} --remove-voter`;
    return `${counts}: take it out with '${command}' before you stop it for good`;
  }
  return (
    `${counts}, which controller.quorum.voters of every node names: to replace it, start another controller with the ` +
    `id ${node} on an empty disk at the same address; to do without it, stop all nodes, take it out of that key in ` +
    'every configuration, and start them again'
  );
}

async function removeFromQuorum(
  context: ToolContext,
  admin: AdminClient,
  clusterId: string,
  node: number,
): Promise<void> {
  const voter = (await admin.quorum()).voters.find(({ id }) => id === node);
  if (voter === undefined) return;
  await admin.removeVoter(clusterId, node, voter.directoryId);
  const { voters } = await admin.quorum();
  const rest = voters.filter(({ id }) => id !== node).map(({ id }) => id);
  context.print(
    `Node ${node} is no voter of the metadata quorum any more; its voters are ${rest.join(', ')}.`,
  );
}

/** Whether the cluster forgets the broker; the one that is asked hears of it a moment after the controller. */
async function isGone({ clock, timers }: Runtime, admin: AdminClient, id: number): Promise<boolean> {
  const deadline = clock.monotonicMs() + UNREGISTER_MS;
  for (;;) {
    const { brokers } = await admin.describeCluster();
    if (brokers.every(broker => broker.id !== id)) return true;
    if (clock.monotonicMs() > deadline) return false;
    await new Promise<void>(resolve => timers.after(POLL_MS, resolve));
  }
}

async function unregister(
  context: ToolContext,
  admin: AdminClient,
  { id, fenced }: BrokerDescription,
): Promise<void> {
  await admin.unregisterBroker(id);
  if (!(await isGone(context.runtime, admin, id))) {
    throw new ToolError(
      `broker ${id} is empty, but has registered again: stop its process, then run this again`,
    );
  }
  const stop = fenced
    ? ''
    : ' Stop its process now: if it starts again with its configuration, it joins again.';
  context.print(`Broker ${id} holds nothing and is unregistered.${stop}`);
}
