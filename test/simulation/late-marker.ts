import { ByteReader } from '../../src/base/byte-reader.ts';
import type { ProducerId } from '../../src/base/int64.ts';
import { InternalTopic } from '../../src/metadata/topic-name.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import { WriteTxnMarkersRequest } from '../../src/protocol/messages/27-write-txn-markers.ts';
import { RequestHeader } from '../../src/protocol/records/data.ts';
import { inVersions } from '../../src/protocol/schema.ts';
import type { ProducerStateEntry } from '../../src/log/producer-state-entry.ts';
import { PATIENCE_MS, type ScenarioSteps } from './scenario-steps.ts';
import type { SimConnection } from './sim-connection.ts';
import type { ClusterNode } from './sim-node.ts';
import type { SimRandom } from './sim-random.ts';
import type { World } from './world.ts';

/** Until another broker is the coordinator and has written a marker to the same partition. */
const MOVE_MS = 9_000;
/** From then on, until the producer's next transaction has begun there. */
const NEXT_MS = 1_500;

/** A marker on its way from a coordinator to the leader of a partition. */
interface SentMarker {
  readonly connection: SimConnection;
  readonly coordinator: ClusterNode;
  readonly leader: ClusterNode;
  readonly topic: string;
  readonly index: number;
  readonly producerId: ProducerId;
  readonly coordinatorEpoch: number;
}

/**
 * The markers of a coordinator arrive twice, or for the first time, when another one has written markers of the same
 * producers: those that the first one has decided, or those of a later transaction. Gives the time it takes at most, ms.
 */
export function beginLateMarker(world: World, random: SimRandom, steps: ScenarioSteps): number | undefined {
  if (!hasCoordinator(world)) return undefined;
  steps.soon(() => {
    const marker = markerOnItsWay(world);
    if (marker === undefined) return false;
    holdMarker(world, random, steps, marker);
    return true;
  });
  return PATIENCE_MS + MOVE_MS + NEXT_MS + 1_000;
}

function hasCoordinator({ nodes }: World): boolean {
  const brokers = nodes.filter(({ isBroker, isUp }) => isBroker && isUp);
  if (brokers.length < 2) return false;
  return brokers.some(({ server }) => {
    for (const { isLeader, topicPartition } of server?.services?.replicaManager.partitions() ?? [])
      if (isLeader && topicPartition.topic === InternalTopic.TRANSACTION_STATE) return true;
    return false;
  });
}

function markerOnItsWay(world: World): SentMarker | undefined {
  for (const connection of world.network.connections) {
    const { client, server } = connection;
    if (client.state !== 'open' || server.state !== 'open' || client.outgoing.queuedBytes === 0) continue;
    const coordinator = world.nodes.find(({ process }) => process === client.process);
    const leader = world.nodes.find(({ process }) => process === server.process);
    if (coordinator === undefined || leader === undefined) continue;
    for (const piece of client.outgoing.pieces) {
      const [marker] = requestIn(piece)?.markers ?? [];
      const [topic] = marker?.topics ?? [];
      if (marker === undefined || topic === undefined) continue;
      const { producerId, coordinatorEpoch } = marker;
      const where = { topic: topic.name, index: topic.partitionIndexes[0]! };
      return { connection, coordinator, leader, ...where, producerId, coordinatorEpoch };
    }
  }
  return undefined;
}

/** The request that `piece` is, if it is one, as a whole. */
function requestIn(piece: Buffer): WriteTxnMarkersRequest | undefined {
  const isWhole = piece.length > 8 && piece.readInt32BE(0) === piece.length - 4;
  if (!isWhole || piece.readInt16BE(4) !== WriteTxnMarkersRequest.apiKey) return undefined;
  const version = piece.readInt16BE(6);
  const reader = new ByteReader(piece, 4);
  codecOf(RequestHeader, inVersions(WriteTxnMarkersRequest.flexible, version) ? 2 : 1).decode(reader);
  return codecOf(WriteTxnMarkersRequest, version).decode(reader);
}

function holdMarker(world: World, random: SimRandom, steps: ScenarioSteps, marker: SentMarker): void {
  const { connection, coordinator, leader, topic, index, producerId, coordinatorEpoch } = marker;
  const release = steps.holdAll([connection], 'late');
  if (release === undefined) return;
  const how = replaceCoordinator(world, random, steps, marker);
  const names = [coordinator, leader].map(({ process }) => process.name);
  world.note(
    `a marker for ${topic}-${index} from ${names[0]} to ${names[1]} will arrive late: ${names[0]} is to ${how}`,
  );
  const state = (): ProducerStateEntry | undefined => {
    const partition = leader.server?.services?.replicaManager.partition(topic, index);
    return partition?.isLeader === true ? partition.log?.activeProducers.get(producerId) : undefined;
  };
  const letGo = (): void => {
    world.sometimes('a marker of a replaced coordinator arrived');
    steps.unblock();
    release();
    steps.later(500, () => steps.finish());
  };
  steps.soon(() => {
    if ((state()?.coordinatorEpoch ?? -1) <= coordinatorEpoch) return false;
    // The next transaction, if it has the same epoch, is what the late marker would end.
    const giveUpMs = world.nowMs + (random.chance(0.6) ? NEXT_MS : 0);
    steps.when(() => {
      if (state()?.currentTxnFirstOffset === undefined && world.nowMs < giveUpMs) return false;
      letGo();
      return true;
    });
    return true;
  }, MOVE_MS);
}

/**
 * Has another broker, or the same one in a later epoch, lead the partition of the coordinator. Nothing else of it reaches
 * the leader of the marker's partition meanwhile, or at least it does not hear of that.
 */
function replaceCoordinator(
  world: World,
  random: SimRandom,
  steps: ScenarioSteps,
  { coordinator, leader }: SentMarker,
): string {
  const isController = coordinator.server?.quorum?.leaderAndEpoch().leaderId === coordinator.id;
  const ways = [
    'stop',
    ...(world.mayDie(coordinator) ? ['end', 'end'] : []),
    ...(isController ? [] : ['fall']),
  ];
  const way = random.pick(ways);
  if (random.chance(0.7) && !leader.isController) steps.blockLink(coordinator.host, leader.host);
  if (way === 'end') steps.later(1, () => steps.endProcess(coordinator, random.scaled(100, 3_000), 'kill'));
  else if (way === 'stop') coordinator.stop();
  else for (const node of world.nodes) if (node.isController) steps.blockBoth(coordinator.host, node.host);
  return way;
}
