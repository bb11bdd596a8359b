import type { Offset } from '../../../src/base/int64.ts';
import { add64 } from '../../../src/base/int64.ts';
import { History, type PartitionKey } from '../checkers/history.ts';
import { checkAll } from '../checkers/index.ts';
import { Probe } from '../checkers/probe.ts';
import { readFinalState } from '../checkers/read-final-state.ts';
import { transactionStates } from '../checkers/transactions.ts';
import { checkLookups, checkRecovery, type Rest, takeRest } from '../checkers/recovery.ts';
import type {
  History as SimHistory,
  SimClient,
  Violation,
  Workload,
  WorldView,
} from '../simulation-types.ts';
import type { FaultKind } from '../world-options.ts';
import { ClusterClient } from './cluster-client.ts';
import { type AdminSettings, SimAdmin } from './sim-admin.ts';
import { SimConsumer } from './sim-consumer.ts';
import { SimFeatureAdmin } from './sim-feature-admin.ts';
import { drawKeyedWriter, SimKeyedWriter } from './sim-keyed-writer.ts';
import { drawLogAdmin, SimLogAdmin } from './sim-log-admin.ts';
import { SimOperator } from './sim-operator.ts';
import { SimProducer } from './sim-producer.ts';
import { SimTransactionalProducer } from './sim-transactional-producer.ts';
import { SimTransactionalReader } from './sim-transactional-reader.ts';
import { drawSwarm, finalConsumer, type Swarm } from './swarm.ts';
import { drawTransactions, type TransactionPlan } from './transaction-plan.ts';

/** By these, bytes that a system has taken for sending arrive when their sender has long given up the connection. */
const HOLDING_BYTES: readonly FaultKind[] = ['isolate', 'lateBytes', 'oneWay', 'pause', 'split', 'stall'];

/** Whether a broker may serve what its disk has damaged. */
const meetsDamage = ({ options }: WorldView): boolean => options.faults.has('rot');

/** Makes a client by its name, of the data topics if no others are named. */
type ClientMaker = (name: string, topics?: readonly string[]) => ClusterClient;

/** The clients of a seed, the probe that looks at the cluster while they work, and the checkers for the end. */
export function createWorkload(world: WorldView): Workload {
  const history = new History(() => world.nowMs);
  const racks = world.options.nodes.flatMap(({ rack }) => (rack === undefined ? [] : [rack]));
  const { minInsyncReplicas, segmentBytes } = world.options;
  const bounds = { minInsyncReplicas, segmentBytes, racks, meetsDamage: meetsDamage(world) };
  const swarm = drawSwarm(world.randomFor('swarm'), bounds);
  const probe = new Probe(world, history);
  const dataTopics = swarm.dataTopics.map(({ topic }) => topic);
  const makeClient: ClientMaker = (name, topics = dataTopics) =>
    new ClusterClient(
      {
        name,
        runtime: world.runtimeFor(name),
        random: world.randomFor(name),
        bootstrap: world.bootstrap(),
        requestTimeoutMs: swarm.requestTimeoutMs,
        metadataMaxAgeMs: swarm.metadataMaxAgeMs,
        onProtocolError: text => history.record(name, { kind: 'protocolError', text }),
      },
      topics,
    );
  const clients = makeClients(world, swarm, history, makeClient);
  let before: Rest | undefined;
  const check = (_history: SimHistory, at: WorldView): Violation[] => {
    probe.look();
    const { lossAllowed, uncleanElection, faults } = at.options;
    const end = readFinalState(at);
    for (const state of transactionStates(end)) at.sometimes(state);
    const violations: Violation[] = checkAll(history, end, {
      lossAllowed,
      uncleanElections: uncleanElection,
      atRest: true,
      lateBytes: HOLDING_BYTES.some(fault => faults.has(fault)),
      hasLagged: (partition, node) => probe.hasLagged(partition, node),
    });
    if (before !== undefined && !lossAllowed) violations.push(...checkRecovery(before, takeRest(at)));
    return [...violations, ...checkLookups(at)];
  };
  world.onPeriod(COMPACTION_LOOK_MS, () => lookForCompaction(world));
  const beforeLastRestart = (): void => {
    before = takeRest(world);
  };
  return { history, clients, checkers: [check], beforeLastRestart };
}

const COMPACTION_LOOK_MS = 500;

/** Counts the states that only logs know: those of compaction. */
function lookForCompaction(world: WorldView): void {
  for (const { server } of world.nodes) {
    for (const { log } of server?.services?.replicaManager.partitions() ?? []) {
      if ((log?.cleanerCheckpoint ?? 0) > 0) world.sometimes('a log was compacted');
    }
  }
}

function makeClients(world: WorldView, swarm: Swarm, history: History, makeClient: ClientMaker): SimClient[] {
  const keyed = drawKeyedWriter(world.randomFor('compacted'), world.options);
  const transactions = drawTransactions(world.randomFor('transactions'), world.options);
  const admins: AdminSettings = {
    dataTopics: swarm.dataTopics,
    otherTopics: [keyed?.plan, transactions?.topic].filter(plan => plan !== undefined),
    shortLived: swarm.shortLived,
    replicationFactor: world.options.replicationFactor,
    thinkMs: swarm.adminThinkMs,
    reassigns: swarm.reassigns,
    elects: swarm.elects,
    altersConfigs: swarm.altersConfigs,
  };
  const writers: SimClient[] = [];
  for (let i = 1; i <= swarm.admins; i++) {
    writers.push(new SimAdmin(makeClient(`admin-${i}`), admins, history, i === 1));
  }
  swarm.producers.forEach((settings, index) => {
    writers.push(new SimProducer(makeClient(`producer-${index + 1}`), settings, history));
  });
  if (keyed !== undefined)
    writers.push(new SimKeyedWriter(makeClient('keyed', [keyed.plan.topic]), keyed, history));
  const dataTopics = swarm.dataTopics.map(({ topic }) => topic);
  const logAdmin = drawLogAdmin(world.randomFor('log admin'), dataTopics, world.options.nodes);
  if (logAdmin !== undefined) writers.push(new SimLogAdmin(makeClient('log-admin'), logAdmin, history));
  const consumers = swarm.consumers.map(
    (settings, index) => new SimConsumer(makeClient(`consumer-${index + 1}`), settings, history),
  );
  const mayLose = world.options.lossAllowed || world.options.uncleanElection;
  const last = new FinalReader(
    new SimConsumer(makeClient('final-reader'), finalConsumer(dataTopics, meetsDamage(world)), history),
    writers,
    () => (mayLose ? new Map() : acknowledgedEnds(history)),
  );
  // Where nothing may be lost, nothing may need a decision either.
  const operators = world.options.lossAllowed ? [new SimOperator(makeClient('operator'), world)] : [];
  const transactional =
    transactions === undefined ? [] : transactionalClients(world, transactions, history, makeClient);
  return [...last.writers, ...transactional, ...consumers, last, ...operators];
}

/** Who writes in transactions, and who reads what they commit. */
function transactionalClients(
  world: WorldView,
  { topic: { topic }, producers, featureAdmin }: TransactionPlan,
  history: History,
  makeClient: ClientMaker,
): SimClient[] {
  const sometimes = (state: string): void => world.sometimes(state);
  const writers = producers.map((settings, index) => {
    const cluster = makeClient(`transactional-${index + 1}`, [topic]);
    return new Awaited(new SimTransactionalProducer(cluster, settings, history, sometimes));
  });
  const reader = new SimTransactionalReader(
    makeClient('transactional-reader', [topic]),
    {
      topic,
      thinkMs: 20,
      mayLose: producers.some(({ mayLose }) => mayLose),
      meetsDamage: meetsDamage(world),
    },
    history,
    Promise.all(writers.map(({ whenStopped }) => whenStopped)),
  );
  if (featureAdmin === undefined) return [...writers, reader];
  const admin = new SimFeatureAdmin(makeClient('feature-admin', []), featureAdmin, history, sometimes);
  return [...writers, reader, admin];
}

/** The offsets after the last record of each partition that was acknowledged with acks=all. */
export function acknowledgedEnds(history: History): Map<PartitionKey, Offset> {
  const sends = new Map([...history.of('send')].map(send => [send.op, send]));
  const ends = new Map<PartitionKey, Offset>();
  for (const { op, offset } of history.of('sent')) {
    const send = sends.get(op);
    if (send === undefined || send.acks !== -1 || offset < 0) continue;
    const end = add64(offset, send.values.length);
    if (end > (ends.get(send.partition) ?? -1)) ends.set(send.partition, end);
  }
  return ends;
}

/** A client that others wait for. */
class Awaited implements SimClient {
  readonly name: string;
  readonly whenStopped: Promise<void>;
  private readonly client: SimClient;
  private resolve: () => void = () => {};

  constructor(client: SimClient) {
    this.name = client.name;
    this.client = client;
    this.whenStopped = new Promise(resolve => {
      this.resolve = resolve;
    });
  }

  start(): void {
    this.client.start();
  }

  async stop(): Promise<void> {
    await this.client.stop();
    this.resolve();
  }
}

/** Reads everything from the beginning, once nobody writes any more. It is done when all that was acknowledged is read. */
class FinalReader implements SimClient {
  readonly name: string;
  readonly writers: readonly Awaited[];
  private readonly reader: SimConsumer;
  private readonly goal: () => ReadonlyMap<PartitionKey, Offset>;

  constructor(
    reader: SimConsumer,
    writers: readonly SimClient[],
    goal: () => ReadonlyMap<PartitionKey, Offset>,
  ) {
    this.name = reader.name;
    this.reader = reader;
    this.writers = writers.map(writer => new Awaited(writer));
    this.goal = goal;
  }

  /** It reads at the end only. */
  start(): void {}

  async stop(): Promise<void> {
    await Promise.all(this.writers.map(({ whenStopped }) => whenStopped));
    this.reader.start();
    await this.reader.readTo(this.goal());
  }
}
