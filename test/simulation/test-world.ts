import { SimRandom } from './sim-random.ts';
import { drawOptions, type NodeOptions, type WorldOptions } from './world-options.ts';

const DRAWN = drawOptions(new SimRandom(1));

/** A node of a test: its clock is right, it has one disk and no rack. */
export function testNode(id: number, roles: Pick<NodeOptions, 'isBroker' | 'isController'>): NodeOptions {
  return {
    ...roles,
    id,
    logDirs: ['/disk1'],
    metadataLogDir: '/disk1',
    rack: undefined,
    clockRate: 1,
    wallOffsetMs: 0,
  };
}

/** Brokers from 1 on, and behind them a controller of its own. */
export function brokersAndController(brokers: number): NodeOptions[] {
  return Array.from({ length: brokers + 1 }, (_, index) =>
    testNode(index + 1, { isBroker: index < brokers, isController: index === brokers }),
  );
}

/**
 * Options of a world in which a test decides what happens: without faults, and with the page cache for all that is not
 * synced, if `more` does not say otherwise. `properties` come over those that follow from the rest.
 */
export function testWorld(
  more: Partial<WorldOptions> & Pick<WorldOptions, 'nodes' | 'replicationFactor' | 'minInsyncReplicas'>,
  properties: Readonly<Record<string, string>>,
): WorldOptions {
  const { replicationFactor, minInsyncReplicas, durability = 'page-cache' } = more;
  return {
    ...DRAWN,
    quorum: 'static',
    durability,
    uncleanElection: false,
    lossAllowed: false,
    faults: new Set(),
    safetyMs: 8_000,
    ...more,
    properties: new Map([
      ...DRAWN.properties,
      ['min.insync.replicas', `${minInsyncReplicas}`],
      ['default.replication.factor', `${replicationFactor}`],
      ['offsets.topic.replication.factor', `${replicationFactor}`],
      ['transaction.state.log.replication.factor', `${replicationFactor}`],
      ['transaction.state.log.min.isr', `${minInsyncReplicas}`],
      ['broker.heartbeat.interval.ms', '200'],
      ['unclean.leader.election.enable', 'false'],
      ['log.durability', durability],
      ...Object.entries(properties),
    ]),
  };
}
