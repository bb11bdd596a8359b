import { add64, type BrokerEpoch, type Int64, type Offset } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { BrokerRegistration } from '../metadata/broker-registration.ts';
import { MetadataDelta } from '../metadata/metadata-delta.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { type MetadataRecord, type MetadataRecordData, metadataRecord } from '../metadata/metadata-record.ts';
import { metadataVersionSupports, recordVersions } from '../metadata/metadata-version.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { BrokerHeartbeatRequest } from '../protocol/messages/63-broker-heartbeat.ts';
import type { BrokerRegistrationRequest } from '../protocol/messages/62-broker-registration.ts';
import type { ControllerRegistrationRequest } from '../protocol/messages/70-controller-registration.ts';
import { checkBrokerEpoch } from './broker-checks.ts';
import type { BrokerHeartbeatManager } from './broker-heartbeat-manager.ts';
import {
  atomicResult,
  type ControllerDecision,
  type ControllerResult,
  splittableResult,
} from './controller-result.ts';
import { checkFeatures } from './feature-check.ts';
import type {
  BrokerStateChange,
  ChangeProgress,
  ReplicationControlManager,
} from './replication-control-manager.ts';

export interface BrokerHeartbeatReply {
  /** Whether the broker has read its own registration. */
  readonly isCaughtUp: boolean;
  readonly isFenced: boolean;
  readonly inControlledShutdown: boolean;
  readonly shouldShutDown: boolean;
}

/** A step of fencing a broker. */
export interface FenceStep {
  readonly brokerId: number;
  /** False while there are partitions left to take from it. */
  readonly isDone: boolean;
}

type BrokerState = 'FENCED' | 'UNFENCED' | 'CONTROLLED_SHUTDOWN' | 'SHUTDOWN_NOW';

const NO_CHANGE = { records: [], isLast: true } as const;

export interface ClusterControlOptions {
  readonly nodeId: number;
  readonly clusterId: string;
}

/**
 * Registration and life of the nodes. A broker goes through
 *
 * ```
 * FENCED              -> UNFENCED             it has read its own registration and does not want to be fenced
 * UNFENCED            -> FENCED               it wants to, or was not heard of for a session
 * UNFENCED            -> CONTROLLED_SHUTDOWN  it wants to stop, and leads partitions
 * UNFENCED, FENCED    -> SHUTDOWN_NOW         it wants to stop, and leads none
 * CONTROLLED_SHUTDOWN -> SHUTDOWN_NOW         it leads none, and the others know
 * ```
 *
 * SHUTDOWN_NOW is FENCED with the word that it may stop.
 */
export class ClusterControlManager {
  private readonly options: ClusterControlOptions;
  private readonly heartbeats: BrokerHeartbeatManager;
  private readonly replication: ReplicationControlManager;
  /** The broker whose fence has begun. It is brought to its end, whether or not the broker is heard of meanwhile. */
  private fencing:
    | { readonly id: number; readonly epoch: BrokerEpoch; readonly progress: ChangeProgress }
    | undefined;

  constructor(
    options: ClusterControlOptions,
    heartbeats: BrokerHeartbeatManager,
    replication: ReplicationControlManager,
  ) {
    this.options = options;
    this.heartbeats = heartbeats;
    this.replication = replication;
  }

  /**
   * Registers a life of a broker, fenced. `offset` is that of the next record to be written: it becomes the broker's
   * epoch. Errors: INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION while an earlier process with that id has a
   * session, UNSUPPORTED_VERSION if it cannot live with a feature level, INVALID_REGISTRATION for its directories.
   */
  registerBroker(
    image: MetadataImage,
    request: BrokerRegistrationRequest,
    offset: Offset,
    nowMs: number,
    progress: ChangeProgress = new Map(),
  ): ControllerDecision<BrokerEpoch> {
    const { brokerId, incarnationId } = request;
    if (request.clusterId !== this.options.clusterId) {
      const text = `expected cluster id ${this.options.clusterId}, but broker ${brokerId} has ${request.clusterId}`;
      throw new KafkaError(Errors.INCONSISTENT_CLUSTER_ID, text);
    }
    const existing = image.cluster.broker(brokerId);
    this.checkDuplicate(existing, incarnationId, nowMs);
    if (request.isMigratingZkBroker) {
      throw new KafkaError(Errors.INVALID_REGISTRATION, 'brokers of a ZooKeeper cluster cannot be taken in');
    }
    checkFeatures(image.features, request.features, `broker ${brokerId}`);
    this.checkDirectories(image, request);

    const sameLife = existing !== undefined && existing.incarnationId === incarnationId;
    const epoch: BrokerEpoch = sameLife ? existing.epoch : (offset as Int64);
    const records: MetadataRecord[] = [];
    if (existing !== undefined && !sameLife) {
      // One that did not say good-bye: what its disk had not flushed may be gone.
      const isClean = request.previousBrokerEpoch === existing.epoch;
      const change = isClean ? { brokerToRemove: brokerId } : { uncleanShutdown: brokerId };
      const step = this.replication.nextLeaderAndIsrUpdates(image, change, progress);
      records.push(...step.records);
      if (!step.isLast) {
        return {
          records,
          rest: (next, nextOffset) => this.registerBroker(next, request, nextOffset, nowMs, progress),
        };
      }
    }
    const { metadataVersion } = image.features;
    const version = recordVersions.registerBroker(metadataVersion);
    const data: MetadataRecordData<'RegisterBrokerRecord'> = {
      brokerId,
      isMigratingZkBroker: false,
      incarnationId,
      brokerEpoch: epoch,
      endPoints: request.listeners.map(listener => ({ ...listener })),
      features: request.features.map(feature => ({ ...feature })),
      rack: request.rack,
      fenced: sameLife ? existing.fenced : true,
      inControlledShutdown: sameLife ? existing.inControlledShutdown : false,
      logDirs: metadataVersionSupports.directoryAssignment(metadataVersion) ? [...request.logDirs] : [],
      cordonedLogDirs: null,
    };
    records.push(metadataRecord('RegisterBrokerRecord', data, version));
    this.heartbeats.touch(brokerId, epoch, nowMs);
    // Should only the first batches of many be written, the broker finds its partitions without it and tries again.
    return splittableResult(records, epoch);
  }

  /**
   * Takes a broker out of the cluster, whatever state it is in. Its replicas stay assigned to it, but what it had does
   * not count any more: should a broker of that id come, nobody knows what is on its disk. BROKER_ID_NOT_REGISTERED.
   */
  unregisterBroker(
    image: MetadataImage,
    brokerId: number,
    progress: ChangeProgress = new Map(),
  ): ControllerDecision<void> {
    const broker = image.cluster.broker(brokerId);
    if (broker === undefined) {
      throw new KafkaError(Errors.BROKER_ID_NOT_REGISTERED, `broker ${brokerId} is not registered`);
    }
    const change = { uncleanShutdown: brokerId };
    const { records, isLast } = this.replication.nextLeaderAndIsrUpdates(image, change, progress);
    if (!isLast) return { records, rest: next => this.unregisterBroker(next, brokerId, progress) };
    this.heartbeats.remove(brokerId);
    const gone = metadataRecord('UnregisterBrokerRecord', { brokerId, brokerEpoch: broker.epoch });
    return splittableResult([...records, gone], undefined);
  }

  registerController(image: MetadataImage, request: ControllerRegistrationRequest): ControllerResult<void> {
    const { metadataVersion } = image.features;
    if (!metadataVersionSupports.controllerRegistration(metadataVersion)) {
      throw new KafkaError(
        Errors.UNSUPPORTED_VERSION,
        `controllers cannot register at metadata.version ${metadataVersion}`,
      );
    }
    checkFeatures(image.features, request.features, `controller ${request.controllerId}`);
    const record = metadataRecord('RegisterControllerRecord', {
      controllerId: request.controllerId,
      incarnationId: request.incarnationId,
      zkMigrationReady: false,
      endPoints: request.listeners.map(listener => ({ ...listener })),
      features: request.features.map(feature => ({ ...feature })),
    });
    return atomicResult([record], undefined);
  }

  /** Takes a controller that is gone out of the cluster. CONTROLLER_ID_NOT_REGISTERED. */
  unregisterController(image: MetadataImage, controllerId: number): ControllerResult<void> {
    if (image.cluster.controllers.get(controllerId) === undefined) {
      const text = `controller ${controllerId} is not registered`;
      throw new KafkaError(Errors.CONTROLLER_ID_NOT_REGISTERED, text);
    }
    return atomicResult([metadataRecord('UnregisterControllerRecord', { controllerId })], undefined);
  }

  /** BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH. `offset` is that of the next record to be written. */
  processBrokerHeartbeat(
    image: MetadataImage,
    request: BrokerHeartbeatRequest,
    offset: Offset,
    nowMs: number,
    progress: ChangeProgress = new Map(),
  ): ControllerDecision<BrokerHeartbeatReply> {
    const broker = checkBrokerEpoch(image, request.brokerId, request.brokerEpoch);
    this.heartbeats.touch(broker.id, broker.epoch, nowMs, request.currentMetadataOffset);
    const records: MetadataRecord[] = [...this.directoryChanges(image, broker, request)];
    // What follows must not count on directories that are no longer there.
    const present = withRecords(image, records);
    const next = this.nextState(present, broker, request);
    const isFenced = next === 'FENCED' || next === 'SHUTDOWN_NOW';
    if (next === 'UNFENCED' && broker.fenced) records.push(registrationChange(broker, { fenced: -1 }));
    if (next === 'CONTROLLED_SHUTDOWN' && !broker.inControlledShutdown) {
      records.push(registrationChange(broker, { inControlledShutdown: 1 }));
    }
    const change = this.changeOfPartitions(present, broker, next, progress);
    const step =
      change === undefined ? NO_CHANGE : this.replication.nextLeaderAndIsrUpdates(present, change, progress);
    records.push(...step.records);
    // Others must have heard where the leaders went: of the last of the records above, or of those before.
    if (
      next === 'CONTROLLED_SHUTDOWN' &&
      (records.length > 0 || !this.heartbeats.isShuttingDown(broker.id))
    ) {
      this.heartbeats.maintainControlledShutdown(broker.id, add64(offset, records.length - 1));
    }
    if (!step.isLast) {
      return {
        records,
        rest: (newest, nextOffset) =>
          this.processBrokerHeartbeat(newest, request, nextOffset, nowMs, progress),
      };
    }
    // Last, so that a controller that comes in between finds work left to do.
    if (isFenced && !broker.fenced) records.push(registrationChange(broker, { fenced: 1 }));
    // It may go: the process after it need not wait until this one's session ends.
    if (next === 'SHUTDOWN_NOW') this.heartbeats.remove(broker.id);
    const reply = {
      isCaughtUp: request.currentMetadataOffset >= broker.epoch,
      isFenced,
      inControlledShutdown: next === 'CONTROLLED_SHUTDOWN',
      shouldShutDown: next === 'SHUTDOWN_NOW',
    };
    return splittableResult(records, reply);
  }

  /**
   * One step of fencing one broker that was not heard of for a session. Its partitions go first: a controller that
   * comes in between finds the broker unfenced, and does the rest when its session there has ended.
   */
  fenceStaleBroker(image: MetadataImage, nowMs: number): ControllerResult<FenceStep | undefined> {
    const broker = this.toFence(image, nowMs);
    if (broker === undefined) {
      this.fencing = undefined;
      return splittableResult([], undefined);
    }
    const { id, epoch } = broker;
    const { fencing } = this;
    const progress = fencing?.id === id && fencing.epoch === epoch ? fencing.progress : new Map();
    const change = { brokerToRemove: id };
    const { records, isLast } = this.replication.nextLeaderAndIsrUpdates(image, change, progress);
    this.fencing = isLast ? undefined : { id, epoch, progress };
    const all = isLast ? [...records, registrationChange(broker, { fenced: 1 })] : records;
    return splittableResult(all, { brokerId: id, isDone: isLast });
  }

  /** The broker whose fence has begun, or one that is due. */
  private toFence(image: MetadataImage, nowMs: number): BrokerRegistration | undefined {
    const { fencing } = this;
    const begun = fencing === undefined ? undefined : image.cluster.broker(fencing.id);
    if (begun !== undefined && begun.epoch === fencing?.epoch && !begun.fenced) return begun;
    const unfenced = [...image.cluster.brokers.values()].filter(broker => !broker.fenced);
    const ids = unfenced.map(broker => broker.id);
    for (const id of this.heartbeats.stale(ids, nowMs)) return image.cluster.broker(id);
    return undefined;
  }

  /** A new controller has heard of nobody: every broker of the image gets a session. */
  startSessions(image: MetadataImage, nowMs: number): void {
    this.heartbeats.clear();
    this.fencing = undefined;
    for (const broker of image.cluster.brokers.values()) {
      if (!broker.fenced) this.heartbeats.expect(broker.id, broker.epoch, nowMs);
    }
  }

  private nextState(
    image: MetadataImage,
    broker: BrokerRegistration,
    request: BrokerHeartbeatRequest,
  ): BrokerState {
    if (broker.fenced) {
      if (request.wantShutDown) return 'SHUTDOWN_NOW';
      // Who has asked to stop does not come back in the same life.
      if (broker.inControlledShutdown) return 'FENCED';
      return !request.wantFence && request.currentMetadataOffset >= broker.epoch ? 'UNFENCED' : 'FENCED';
    }
    if (broker.inControlledShutdown) {
      const others = [...image.cluster.brokers.values()]
        .filter(other => !other.fenced && !other.inControlledShutdown)
        .map(other => other.id);
      const done =
        !this.replication.hasLeaderships(image, broker.id) && this.heartbeats.mayShutDown(broker.id, others);
      return done ? 'SHUTDOWN_NOW' : 'CONTROLLED_SHUTDOWN';
    }
    if (request.wantShutDown) {
      return this.replication.hasLeaderships(image, broker.id) ? 'CONTROLLED_SHUTDOWN' : 'SHUTDOWN_NOW';
    }
    return request.wantFence ? 'FENCED' : 'UNFENCED';
  }

  /** What the state that the broker goes to means for its partitions, as far as that has not been done yet. */
  private changeOfPartitions(
    image: MetadataImage,
    { id, fenced, inControlledShutdown }: BrokerRegistration,
    next: BrokerState,
    progress: ChangeProgress,
  ): BrokerStateChange | undefined {
    const hasBegun = progress.size > 0;
    switch (next) {
      case 'UNFENCED':
        return fenced || hasBegun ? { brokerToAdd: id } : undefined;
      case 'CONTROLLED_SHUTDOWN': {
        // A controller before this one may have come only half way.
        const isLeft = hasBegun || this.replication.hasLeaderships(image, id);
        return !inControlledShutdown || isLeft ? { brokerToRemove: id } : undefined;
      }
      case 'FENCED':
      case 'SHUTDOWN_NOW':
        return fenced ? undefined : { brokerToRemove: id };
    }
  }

  /** Directories that went offline take their replicas with them; cordoned ones only get no new replicas. */
  private *directoryChanges(
    image: MetadataImage,
    broker: BrokerRegistration,
    request: BrokerHeartbeatRequest,
  ): Iterable<MetadataRecord> {
    const { metadataVersion } = image.features;
    const offline = new Set(request.offlineLogDirs.filter(id => broker.directories.includes(id)));
    if (offline.size > 0 && metadataVersionSupports.directoryAssignment(metadataVersion)) {
      const online = broker.directories.filter(id => !offline.has(id));
      // A record without directories would say nothing: a broker that lost all of them stops by itself.
      if (online.length > 0) yield registrationChange(broker, { logDirs: online }, 2);
      yield* this.replication.leaderAndIsrUpdates(image, { brokerToRemove: broker.id, directories: offline });
    }
    const { cordonedLogDirs } = request;
    if (cordonedLogDirs === null || !metadataVersionSupports.cordonedLogDirs(metadataVersion)) return;
    const sorted = [...cordonedLogDirs].sort();
    if (sorted.join() !== broker.cordonedDirectories?.join()) {
      yield registrationChange(broker, { cordonedLogDirs: sorted }, 3);
    }
  }

  private checkDuplicate(existing: BrokerRegistration | undefined, incarnationId: Uuid, nowMs: number): void {
    if (existing === undefined || existing.incarnationId === incarnationId) return;
    // The directories of the controller's own node are locked, so that a broker of that node which was not heard of since
    // this controller began is the process before this one: a restart need not wait for its session to end.
    const isOwnNode = existing.id === this.options.nodeId;
    if (isOwnNode && !this.heartbeats.wasHeard(existing.id, existing.epoch)) return;
    if (!this.heartbeats.hasValidSession(existing.id, existing.epoch, nowMs)) return;
    const text = `broker ${existing.id} is registered by another process, whose session has not ended`;
    throw new KafkaError(Errors.DUPLICATE_BROKER_REGISTRATION, text);
  }

  private checkDirectories(image: MetadataImage, request: BrokerRegistrationRequest): void {
    const { brokerId, logDirs } = request;
    if (!metadataVersionSupports.directoryAssignment(image.features.metadataVersion)) return;
    const invalid = (text: string): KafkaError => new KafkaError(Errors.INVALID_REGISTRATION, text);
    if (logDirs.length === 0) throw invalid(`broker ${brokerId} names no log directories`);
    if (new Set(logDirs).size < logDirs.length)
      throw invalid(`broker ${brokerId} names a log directory twice`);
    for (const other of image.cluster.brokers.values()) {
      const shared = other.id === brokerId ? undefined : logDirs.find(id => other.directories.includes(id));
      if (shared !== undefined) {
        throw invalid(
          `broker ${brokerId} names log directory ${shared}, which belongs to broker ${other.id}`,
        );
      }
    }
  }
}

/** The image with records that nobody has appended yet. */
function withRecords(image: MetadataImage, records: readonly MetadataRecord[]): MetadataImage {
  if (records.length === 0) return image;
  const delta = new MetadataDelta(image);
  for (const record of records) delta.replay(record);
  return delta.apply(image.provenance);
}

function registrationChange(
  broker: BrokerRegistration,
  change: Partial<MetadataRecordData<'BrokerRegistrationChangeRecord'>>,
  version = change.inControlledShutdown === undefined ? 0 : 1,
): MetadataRecord {
  const data = {
    brokerId: broker.id,
    brokerEpoch: broker.epoch,
    fenced: 0,
    inControlledShutdown: 0,
    logDirs: [],
    cordonedLogDirs: null,
    ...change,
  };
  return metadataRecord('BrokerRegistrationChangeRecord', data, version);
}
