import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { TransactionCoordinator } from '../coordinator/transaction-coordinator.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { ReplicaManager } from '../replication/replica-manager.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';
import type { ForwardingManager } from './forwarding-manager.ts';
import type { NodeServices } from './node-services.ts';

/** The parts of a running broker that the handlers of its listeners work with. */
export interface BrokerServices extends NodeServices {
  /** This broker's own requests to the active controller. */
  readonly controllerChannel: BrokerToControllerChannel;
  /** Requests of clients that the active controller must decide. */
  readonly forwarding: ForwardingManager;
  /** Has the controller create topics that somebody asked for, in its own time. Names that it works on are left out. */
  autoCreateTopics(names: readonly string[]): void;
  readonly replicaManager: ReplicaManager;
  readonly logManager: LogManager;
  readonly groupCoordinator: GroupCoordinator;
  readonly transactionCoordinator: TransactionCoordinator;
}
