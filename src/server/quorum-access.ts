import type { LeaderAndEpoch } from '../raft/raft-client.ts';
import type { QuorumStatus } from '../raft/ready.ts';

/** A node of the metadata quorum and where its controller listener is. */
export interface ControllerEndpoint {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** What the rest of a node wants to know of the metadata quorum. */
export interface QuorumAccess {
  leaderAndEpoch(): LeaderAndEpoch;
  /**
   * Where the active controller can be reached by brokers; `undefined` if nobody is known to lead or its address is
   * not known.
   */
  leaderEndpoint(): ControllerEndpoint | undefined;
  /** Voters with their controller endpoints, as far as known, for words in logs. */
  voterEndpoints(): readonly ControllerEndpoint[];
  /** Whether so many voters did not answer when they were asked last that the others cannot elect a leader. */
  isMajorityUnreachable(): boolean;
  /**
   * Calls `listener` after another leader or epoch, or another address of the leader, has become known. Returns how to
   * end that.
   */
  onLeaderChange(listener: () => void): () => void;
  status(): QuorumStatus;
}
