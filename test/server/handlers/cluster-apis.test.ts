import { beforeEach, describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../../../src/protocol/messages/43-elect-leaders.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../../src/protocol/messages/45-alter-partition-reassignments.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../../src/protocol/messages/46-list-partition-reassignments.ts';
import {
  AlterPartitionRequest,
  AlterPartitionResponse,
} from '../../../src/protocol/messages/56-alter-partition.ts';
import {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../../../src/protocol/messages/57-update-features.ts';
import {
  BrokerRegistrationRequest,
  BrokerRegistrationResponse,
} from '../../../src/protocol/messages/62-broker-registration.ts';
import {
  BrokerHeartbeatRequest,
  BrokerHeartbeatResponse,
} from '../../../src/protocol/messages/63-broker-heartbeat.ts';
import {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '../../../src/protocol/messages/64-unregister-broker.ts';
import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../../../src/protocol/messages/67-allocate-producer-ids.ts';
import {
  ControllerRegistrationRequest,
  ControllerRegistrationResponse,
} from '../../../src/protocol/messages/70-controller-registration.ts';
import {
  AssignReplicasToDirsRequest,
  AssignReplicasToDirsResponse,
} from '../../../src/protocol/messages/73-assign-replicas-to-dirs.ts';
import {
  UnregisterControllerRequest,
  UnregisterControllerResponse,
} from '../../../src/protocol/messages/94-unregister-controller.ts';
import type { Input, Message } from '../../../src/protocol/schema.ts';
import type { ControllerServices } from '../../../src/server/controller-services.ts';
import type { Handler } from '../../../src/server/handler.ts';
import { electLeaders } from '../../../src/server/handlers/43-elect-leaders.ts';
import { alterPartitionReassignments } from '../../../src/server/handlers/45-alter-partition-reassignments.ts';
import { listPartitionReassignments } from '../../../src/server/handlers/46-list-partition-reassignments.ts';
import { alterPartition } from '../../../src/server/handlers/56-alter-partition.ts';
import { updateFeatures } from '../../../src/server/handlers/57-update-features.ts';
import { brokerRegistration } from '../../../src/server/handlers/62-broker-registration.ts';
import { brokerHeartbeat } from '../../../src/server/handlers/63-broker-heartbeat.ts';
import { unregisterBroker } from '../../../src/server/handlers/64-unregister-broker.ts';
import { allocateProducerIds } from '../../../src/server/handlers/67-allocate-producer-ids.ts';
import { controllerRegistration } from '../../../src/server/handlers/70-controller-registration.ts';
import { assignReplicasToDirs } from '../../../src/server/handlers/73-assign-replicas-to-dirs.ts';
import { unregisterController } from '../../../src/server/handlers/94-unregister-controller.ts';
import { ControllerHarness, heartbeat } from '../../controller/support/controller-harness.ts';
import { epochOf, partitionOf, withReplicas } from '../../controller/support/topics.ts';
import { ask } from './handler-harness.ts';

const versions = (last: number): number[] => Array.from({ length: last + 1 }, (_, version) => version);

/** Leaves a field out of the request in versions that do not have it. */
const from = <T extends object>(first: number, version: number, fields: T): Partial<T> =>
  version >= first ? fields : {};

describe('the APIs between brokers and the controller', () => {
  let harness: ControllerHarness;
  let services: Partial<ControllerServices>;

  const askFor = <Q extends Message, A extends Message>(
    handler: Handler<ControllerServices>,
    messages: readonly [Q, A],
    version: number,
    body: Input<Q>,
  ) => ask(handler, services, messages, version, body);

  beforeEach(async () => {
    harness = await ControllerHarness.started([1, 2, 3]);
    services = { nodeId: 1, controller: harness.controller };
    await withReplicas(harness, 't', [[1, 2]], { 'min.insync.replicas': '1' });
  });

  it.each(versions(2))('ElectLeaders, version %i', async version => {
    const pair = [ElectLeadersRequest, ElectLeadersResponse] as const;
    const topicPartitions = [{ topic: 't', partitions: [0, 9] }];
    const answer = await askFor(electLeaders, pair, version, { topicPartitions, timeoutMs: 1000 });
    expect(answer!.errorCode).toBe(0);
    expect(answer!.replicaElectionResults[0]!.partitionResult.map(each => each.errorCode)).toEqual([
      Errors.ELECTION_NOT_NEEDED,
      Errors.UNKNOWN_TOPIC_OR_PARTITION,
    ]);
    const all = await askFor(electLeaders, pair, version, { topicPartitions: null, timeoutMs: 1000 });
    expect(all!.replicaElectionResults).toEqual([{ topic: 't', partitionResult: [] }]);
    harness.quorum.elect(2);
    const refused = await askFor(electLeaders, pair, version, { topicPartitions, timeoutMs: 1000 });
    expect(refused!.errorCode).toBe(version >= 1 ? Errors.NOT_CONTROLLER : 0);
    expect(refused!.replicaElectionResults[0]!.partitionResult[1]).toMatchObject({
      partitionId: 9,
      errorCode: Errors.NOT_CONTROLLER,
    });
  });

  it.each([0, 1])('AlterPartitionReassignments, version %i, and the list of them', async version => {
    const pair = [AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse] as const;
    const listPair = [ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse] as const;
    const move = (replicas: number[] | null) =>
      askFor(alterPartitionReassignments, pair, version, {
        timeoutMs: 1000,
        ...from(1, version, { allowReplicationFactorChange: false }),
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, replicas }] }],
      });
    expect((await move([3, 1]))!.responses[0]!.partitions[0]).toEqual({
      partitionIndex: 0,
      errorCode: 0,
      errorMessage: null,
    });
    const list = await askFor(listPartitionReassignments, listPair, 0, { topics: null, timeoutMs: 1000 });
    expect(list!.topics[0]!.partitions).toEqual([
      { partitionIndex: 0, replicas: [3, 1, 2], addingReplicas: [3], removingReplicas: [2] },
    ]);
    expect((await move([3]))!.responses[0]!.partitions[0]!.errorCode).toBe(
      version >= 1 ? Errors.INVALID_REPLICATION_FACTOR : 0,
    );
    harness.quorum.elect(2);
    expect(await move(null)).toMatchObject({ errorCode: Errors.NOT_CONTROLLER, responses: [] });
  });

  it.each(versions(3))('AlterPartition, version %i', async version => {
    const pair = [AlterPartitionRequest, AlterPartitionResponse] as const;
    const { leaderEpoch, partitionEpoch } = partitionOf(harness, 't');
    const topicId = harness.controller.image().topics.topic('t')!.id;
    const named = version >= 2 ? { topicId } : { topicName: 't' };
    const isr =
      version >= 3
        ? { newIsrWithEpochs: [{ brokerId: 1, brokerEpoch: epochOf(harness, 1) }] }
        : { newIsr: [1] };
    const partition = (changes: object) => ({
      partitionIndex: 0,
      leaderEpoch,
      partitionEpoch,
      ...isr,
      ...changes,
    });
    const alter = (...partitions: object[]) =>
      askFor(alterPartition, pair, version, {
        brokerId: 1,
        brokerEpoch: epochOf(harness, 1),
        topics: [{ ...named, partitions: partitions.map(each => partition(each)) }],
      });
    const answer = await alter({}, { partitionIndex: 5 });
    expect(answer!.topics).toMatchObject([
      {
        topicName: version >= 2 ? '' : 't',
        topicId: version >= 2 ? topicId : ZERO_UUID,
        partitions: [
          { errorCode: 0, isr: [1], leaderId: 1, leaderEpoch, partitionEpoch: partitionEpoch + 1 },
          { partitionIndex: 5, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION },
        ],
      },
    ]);
    harness.quorum.elect(2);
    expect(await alter({})).toMatchObject({ errorCode: Errors.NOT_CONTROLLER, topics: [] });
  });

  it.each(versions(2))('UpdateFeatures, version %i', async version => {
    const pair = [UpdateFeaturesRequest, UpdateFeaturesResponse] as const;
    const update = (level: number) =>
      askFor(updateFeatures, pair, version, {
        timeoutMs: 1000,
        featureUpdates: [{ feature: 'share.version', maxVersionLevel: level }],
      });
    const results = (code: number) =>
      version >= 2 ? [] : [expect.objectContaining({ feature: 'share.version', errorCode: code })];
    expect(await update(1)).toMatchObject({ errorCode: 0, results: results(0) });
    const code = Errors.INVALID_UPDATE_VERSION;
    expect(await update(9)).toMatchObject({ errorCode: code, results: results(code) });
    harness.quorum.elect(2);
    expect(await update(1)).toMatchObject({ errorCode: Errors.NOT_CONTROLLER });
  });

  it.each(versions(4))('BrokerRegistration, version %i', async version => {
    const pair = [BrokerRegistrationRequest, BrokerRegistrationResponse] as const;
    const whole = harness.registration(7);
    const { logDirs, previousBrokerEpoch, isMigratingZkBroker, ...rest } = whole;
    const register = () =>
      askFor(brokerRegistration, pair, version, {
        ...rest,
        ...from(1, version, { isMigratingZkBroker }),
        ...from(2, version, { logDirs }),
        ...from(3, version, { previousBrokerEpoch }),
      });
    const answer = await register();
    // A broker that names no directories does not belong into a cluster that keeps track of them.
    if (version < 2)
      expect(answer).toMatchObject({ errorCode: Errors.INVALID_REGISTRATION, brokerEpoch: -1 });
    else expect(answer).toMatchObject({ errorCode: 0, brokerEpoch: epochOf(harness, 7) });
    harness.quorum.elect(2);
    expect(await register()).toMatchObject({ errorCode: Errors.NOT_CONTROLLER, brokerEpoch: -1 });
  });

  it.each(versions(2))('BrokerHeartbeat, version %i', async version => {
    const pair = [BrokerHeartbeatRequest, BrokerHeartbeatResponse] as const;
    const { offlineLogDirs, cordonedLogDirs, ...rest } = heartbeat(2, epochOf(harness, 2));
    const beat = (brokerEpoch: number) =>
      askFor(brokerHeartbeat, pair, version, {
        ...rest,
        brokerEpoch,
        ...from(1, version, { offlineLogDirs }),
        ...from(2, version, { cordonedLogDirs }),
      });
    expect(await beat(rest.brokerEpoch as number)).toEqual({
      throttleTimeMs: 0,
      errorCode: 0,
      isCaughtUp: true,
      isFenced: false,
      shouldShutDown: false,
    });
    expect(await beat(1)).toMatchObject({ errorCode: Errors.STALE_BROKER_EPOCH });
  });

  it('UnregisterBroker, AllocateProducerIds, and registration of controllers', async () => {
    const unregister = [UnregisterBrokerRequest, UnregisterBrokerResponse] as const;
    expect(await askFor(unregisterBroker, unregister, 0, { brokerId: 3 })).toMatchObject({
      errorCode: 0,
      errorMessage: null,
    });
    expect(await askFor(unregisterBroker, unregister, 0, { brokerId: 3 })).toMatchObject({
      errorCode: Errors.BROKER_ID_NOT_REGISTERED,
      errorMessage: 'broker 3 is not registered',
    });
    const allocate = [AllocateProducerIdsRequest, AllocateProducerIdsResponse] as const;
    const brokerEpoch = epochOf(harness, 2);
    expect(await askFor(allocateProducerIds, allocate, 0, { brokerId: 2, brokerEpoch })).toMatchObject({
      errorCode: 0,
      producerIdStart: 0,
      producerIdLen: 1000,
    });
    const { incarnationId, listeners, features } = harness.registration(9);
    const register = [ControllerRegistrationRequest, ControllerRegistrationResponse] as const;
    const body = { controllerId: 9, incarnationId, listeners, features, zkMigrationReady: false };
    expect(await askFor(controllerRegistration, register, 0, body)).toMatchObject({ errorCode: 0 });
    const forget = [UnregisterControllerRequest, UnregisterControllerResponse] as const;
    expect(await askFor(unregisterController, forget, 0, { controllerId: 9 })).toMatchObject({
      errorCode: 0,
    });
    expect(await askFor(unregisterController, forget, 0, { controllerId: 9 })).toMatchObject({
      errorCode: Errors.CONTROLLER_ID_NOT_REGISTERED,
    });
  });

  it('AssignReplicasToDirs', async () => {
    const pair = [AssignReplicasToDirsRequest, AssignReplicasToDirsResponse] as const;
    const topicId = harness.controller.image().topics.topic('t')!.id;
    const id = harness.directoryOf(2);
    const directories = [{ id, topics: [{ topicId, partitions: [{ partitionIndex: 0 }] }] }];
    const brokerEpoch = epochOf(harness, 2);
    expect(await askFor(assignReplicasToDirs, pair, 0, { brokerId: 2, brokerEpoch, directories })).toEqual({
      throttleTimeMs: 0,
      errorCode: 0,
      directories: [{ id, topics: [{ topicId, partitions: [{ partitionIndex: 0, errorCode: 0 }] }] }],
    });
    expect(
      await askFor(assignReplicasToDirs, pair, 0, { brokerId: 2, brokerEpoch: 1, directories }),
    ).toMatchObject({ errorCode: Errors.STALE_BROKER_EPOCH, directories: [] });
  });
});
