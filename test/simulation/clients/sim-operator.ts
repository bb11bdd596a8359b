import {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../../../src/protocol/messages/43-elect-leaders.ts';
import type { AbandonedPartition, SimClient, WorldView } from '../simulation-types.ts';
import { type ClusterClient, NO_BROKER } from './cluster-client.ts';
import { Unanswered } from './protocol-connection.ts';

const ELECT_LEADERS = { request: ElectLeadersRequest, response: ElectLeadersResponse };
const UNCLEAN_ELECTION = 1;
/** How long an operator takes to see that a partition stays without a leader, ms. */
const LOOK_MS = 2_000;
const CALL_TIMEOUT_MS = 3_000;

/**
 * Decides what the cluster leaves to people. When all who had a partition's records have lost their disks, no replica is
 * left that may lead by itself: somebody has to say that the records of another one are to be taken.
 */
export class SimOperator implements SimClient {
  readonly name: string;
  private readonly cluster: ClusterClient;
  private readonly world: WorldView;

  constructor(cluster: ClusterClient, world: WorldView) {
    this.name = cluster.name;
    this.cluster = cluster;
    this.world = world;
  }

  start(): void {
    void this.run();
  }

  stop(): Promise<void> {
    this.cluster.close();
    return Promise.resolve();
  }

  private async run(): Promise<void> {
    while (!this.cluster.isClosed) {
      await this.cluster.sleep(LOOK_MS);
      if (this.world.phase !== 'liveness') continue;
      for (const partition of this.world.abandonedPartitions()) await this.elect(partition);
    }
  }

  private async elect({ topic, partition }: AbandonedPartition): Promise<void> {
    this.world.note(`an operator has an unclean election held for ${topic}-${partition}`);
    this.world.sometimes('an operator elected a leader');
    try {
      await this.cluster.ask(
        NO_BROKER,
        ELECT_LEADERS,
        () => ({
          electionType: UNCLEAN_ELECTION,
          topicPartitions: [{ topic, partitions: [partition] }],
          timeoutMs: CALL_TIMEOUT_MS,
        }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
    } catch (error) {
      // It is tried again.
      if (!(error instanceof Unanswered)) throw error;
      this.cluster.forgetMetadata();
    }
  }
}
