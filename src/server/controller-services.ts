import type { QuorumController } from '../controller/quorum-controller.ts';
import type { NodeServices } from './node-services.ts';
import type { RaftNetwork } from './raft-network.ts';

/** The parts of a controller that the handlers of its listeners work with. */
export interface ControllerServices extends NodeServices {
  /** Rejects with NOT_CONTROLLER while another node is the active controller. */
  readonly controller: QuorumController;
  /** Serves what members of the quorum ask each other. */
  readonly raft: RaftNetwork;
}
