import type { Runtime } from '../../runtime/runtime.ts';
import { type ToolContext, ToolError } from '../tool-context.ts';
import type { AdminClient, BrokerDescription } from './admin-client.ts';
import { plannedPartitions, readCluster, runningBrokers } from './cluster-view.ts';
import { progressPrinter } from './progress-line.ts';
import { ReassignmentExecutor } from './reassignment-executor.ts';
import { planDecommission } from './reassignment-planner.ts';

export interface DecommissionOptions {
  /** Bytes a second; 0 for no limit. */
  readonly throttle: number;
  readonly concurrency: number;
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
  { throttle, concurrency }: DecommissionOptions,
): Promise<void> {
  const { brokers } = await admin.describeCluster();
  const leaving = brokers.find(({ id }) => id === node);
  if (leaving === undefined) {
    const known = brokers.map(({ id }) => id).join(', ');
    throw new ToolError(`there is no broker ${node} in this cluster; its brokers are ${known}`);
  }
  const options = { throttle, concurrency, onProgress: progressPrinter(context) };
  const executor = new ReassignmentExecutor(context.runtime, admin, brokers, options);
  const ongoing = await admin.reassignments();
  if (ongoing.length > 0) {
    context.print(`Waiting for ${ongoing.length} partitions that are being moved already`);
    await executor.finishOngoing();
  }
  for (let round = 0; ; round++) {
    const view = await readCluster(admin);
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
  const { voters } = await admin.quorum();
  if (voters.some(voter => voter.id === id)) {
    context.print(
      `Node ${id} is a controller too, and still counts as one of the ${voters.length} voters of the metadata quorum: ` +
        'remove it there before you stop it for good.',
    );
  }
}
