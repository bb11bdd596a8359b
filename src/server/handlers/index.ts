import type { BrokerServices } from '../broker-services.ts';
import type { ControllerServices } from '../controller-services.ts';
import { forwarded, type Handler } from '../handler.ts';
import { HandlerTable } from '../handler-table.ts';
import { produceHandler } from './00-produce.ts';
import { fetchHandler } from './01-fetch.ts';
import { fetchMetadataLog } from './01-fetch-metadata-log.ts';
import { listOffsetsHandler } from './02-list-offsets.ts';
import { metadata } from './03-metadata.ts';
import { offsetCommit } from './08-offset-commit.ts';
import { offsetFetch } from './09-offset-fetch.ts';
import { findCoordinator } from './10-find-coordinator.ts';
import { joinGroup } from './11-join-group.ts';
import { heartbeat } from './12-heartbeat.ts';
import { leaveGroup } from './13-leave-group.ts';
import { syncGroup } from './14-sync-group.ts';
import { describeGroups } from './15-describe-groups.ts';
import { listGroups } from './16-list-groups.ts';
import { apiVersions } from './18-api-versions.ts';
import { createTopics } from './19-create-topics.ts';
import { deleteTopics } from './20-delete-topics.ts';
import { deleteRecords } from './21-delete-records.ts';
import { initProducerIdHandler } from './22-init-producer-id.ts';
import { offsetForLeaderEpochHandler } from './23-offset-for-leader-epoch.ts';
import { addPartitionsToTxn } from './24-add-partitions-to-txn.ts';
import { addOffsetsToTxn } from './25-add-offsets-to-txn.ts';
import { endTxn } from './26-end-txn.ts';
import { writeTxnMarkers } from './27-write-txn-markers.ts';
import { txnOffsetCommit } from './28-txn-offset-commit.ts';
import { describeConfigs } from './32-describe-configs.ts';
import { alterConfigs } from './33-alter-configs.ts';
import { alterReplicaLogDirs } from './34-alter-replica-log-dirs.ts';
import { describeLogDirs } from './35-describe-log-dirs.ts';
import { createPartitions } from './37-create-partitions.ts';
import { deleteGroups } from './42-delete-groups.ts';
import { electLeaders } from './43-elect-leaders.ts';
import { incrementalAlterConfigs, incrementalAlterConfigsOfBroker } from './44-incremental-alter-configs.ts';
import { alterPartitionReassignments } from './45-alter-partition-reassignments.ts';
import { listPartitionReassignments } from './46-list-partition-reassignments.ts';
import { offsetDelete } from './47-offset-delete.ts';
import { describeClientQuotas } from './48-describe-client-quotas.ts';
import { alterClientQuotas } from './49-alter-client-quotas.ts';
import { describeUserScramCredentials } from './50-describe-user-scram-credentials.ts';
import { vote } from './52-vote.ts';
import { beginQuorumEpoch } from './53-begin-quorum-epoch.ts';
import { endQuorumEpoch } from './54-end-quorum-epoch.ts';
import { describeQuorum } from './55-describe-quorum.ts';
import { alterPartition } from './56-alter-partition.ts';
import { updateFeatures } from './57-update-features.ts';
import { envelopeHandler } from './58-envelope.ts';
import { fetchSnapshot } from './59-fetch-snapshot.ts';
import { describeCluster } from './60-describe-cluster.ts';
import { describeProducers } from './61-describe-producers.ts';
import { brokerRegistration } from './62-broker-registration.ts';
import { brokerHeartbeat } from './63-broker-heartbeat.ts';
import { unregisterBroker } from './64-unregister-broker.ts';
import { describeTransactions } from './65-describe-transactions.ts';
import { listTransactions } from './66-list-transactions.ts';
import { allocateProducerIds } from './67-allocate-producer-ids.ts';
import { controllerRegistration } from './70-controller-registration.ts';
import { assignReplicasToDirs } from './73-assign-replicas-to-dirs.ts';
import { listConfigResources } from './74-list-config-resources.ts';
import { describeTopicPartitions } from './75-describe-topic-partitions.ts';
import { addRaftVoter } from './80-add-raft-voter.ts';
import { removeRaftVoter } from './81-remove-raft-voter.ts';
import { updateRaftVoter } from './82-update-raft-voter.ts';
import { unregisterController } from './94-unregister-controller.ts';

/** What the active controller decides. Clients may send it to any broker, which passes it on as it is. */
const forwardable: readonly Handler<ControllerServices>[] = [
  createTopics,
  deleteTopics,
  alterConfigs,
  createPartitions,
  electLeaders,
  alterPartitionReassignments,
  listPartitionReassignments,
  alterClientQuotas,
  describeQuorum,
  updateFeatures,
  unregisterBroker,
  addRaftVoter,
  removeRaftVoter,
  unregisterController,
];

/** Every API of broker listeners. An API is advertised by being in this list, and only then. */
export const brokerHandlers: readonly Handler<BrokerServices>[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  deleteRecords,
  initProducerIdHandler,
  offsetForLeaderEpochHandler,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  deleteGroups,
  offsetDelete,
  describeClientQuotas,
  describeUserScramCredentials,
  describeCluster,
  describeProducers,
  describeTransactions,
  listTransactions,
  listConfigResources,
  describeTopicPartitions,
  incrementalAlterConfigsOfBroker,
  ...forwardable.map(forwarded),
];

/** Every API of controller listeners, likewise. */
export const controllerHandlers: readonly Handler<ControllerServices>[] = [
  fetchMetadataLog,
  apiVersions,
  describeConfigs,
  vote,
  beginQuorumEpoch,
  endQuorumEpoch,
  alterPartition,
  envelopeHandler(new HandlerTable([incrementalAlterConfigs, ...forwardable])),
  fetchSnapshot,
  describeCluster,
  brokerRegistration,
  brokerHeartbeat,
  allocateProducerIds,
  controllerRegistration,
  assignReplicasToDirs,
  updateRaftVoter,
  incrementalAlterConfigs,
  ...forwardable,
];
