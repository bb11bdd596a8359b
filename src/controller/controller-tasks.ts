import type { Logger } from '../base/logger.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { metadataRecord } from '../metadata/metadata-record.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { BrokerHeartbeatManager } from './broker-heartbeat-manager.ts';
import type { ClusterControlManager } from './cluster-control-manager.ts';
import type { ActiveState, ControllerLogWriter } from './controller-log-writer.ts';
import type { ControllerResult } from './controller-result.ts';
import { CrashedBrokerDetector } from './crashed-broker-detector.ts';
import type { ElectionControlManager, ElectionRound } from './election-control-manager.ts';

/** In the time of a session it is looked so often whether some have ended. */
const SESSION_CHECKS = 32;
/** This share of a session is the shortest pause that does not count: less is the lateness of a machine at work. */
const PAUSE_SHARE = 8;

export interface ControllerManagers {
  readonly heartbeats: BrokerHeartbeatManager;
  readonly cluster: ClusterControlManager;
  readonly elections: ElectionControlManager;
}

/** What the active controller does by itself, now and again: nobody asks for it, so nobody waits for its answer. */
export class ControllerTasks {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly config: KafkaConfig;
  private readonly nodeId: number;
  private readonly writer: ControllerLogWriter;
  private readonly heartbeats: BrokerHeartbeatManager;
  private readonly cluster: ClusterControlManager;
  private readonly elections: ElectionControlManager;
  private readonly timers: Timer[] = [];
  /** The next step of fencing a broker waits for its turn. */
  private isFencing = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    config: KafkaConfig,
    nodeId: number,
    writer: ControllerLogWriter,
    managers: ControllerManagers,
  ) {
    this.runtime = runtime;
    this.logger = logger;
    this.config = config;
    this.nodeId = nodeId;
    this.writer = writer;
    this.heartbeats = managers.heartbeats;
    this.cluster = managers.cluster;
    this.elections = managers.elections;
  }

  /** Begins with this node's being active. */
  start(): void {
    const { config } = this;
    const sessionMs = config.int('broker.session.timeout.ms');
    const checkMs = Math.max(1, Math.floor(sessionMs / SESSION_CHECKS));
    let checkedMs = this.nowMs();
    this.every(checkMs, () => {
      // A timer that comes much too late means that this process stood still, and so could hear of nobody.
      const pauseMs = this.nowMs() - checkedMs - checkMs;
      if (pauseMs > sessionMs / PAUSE_SHARE) this.heartbeats.excuse(pauseMs);
      checkedMs = this.nowMs();
      this.fenceStaleBrokers();
    });
    if (config.boolean('broker.crash.detection.enable')) this.detectCrashes();
    const idleMs = config.int('metadata.max.idle.interval.ms');
    if (idleMs > 0) this.every(idleMs, () => this.writeNoOp(idleMs));
    if (config.boolean('auto.leader.rebalance.enable')) {
      const intervalMs = config.long('leader.imbalance.check.interval.seconds') * 1000;
      this.every(intervalMs, () => this.balanceLeaders());
    }
    this.every(config.long('unclean.leader.election.interval.ms'), () => this.electLeaderless());
    this.electLeaderless();
  }

  stop(): void {
    for (const timer of this.timers.splice(0)) timer.cancel();
  }

  private detectCrashes(): void {
    const intervalMs = this.config.int('broker.heartbeat.interval.ms');
    const detector = new CrashedBrokerDetector(this.runtime, this.heartbeats, intervalMs, ({ id }) => {
      this.logger.warn('a broker sends no heartbeats and nobody listens at its addresses: it has ended', {
        brokerId: id,
      });
      this.fenceStaleBrokers();
    });
    this.every(Math.max(1, Math.floor(intervalMs / 2)), () =>
      this.writer.unasked('detectCrashes', ({ image }) => detector.check(image.cluster.brokers.values())),
    );
  }

  private balanceLeaders(): void {
    if (this.writer.active === undefined || !this.elections.areLeadersImbalanced(this.writer.active.image))
      return;
    this.elect('gave partitions back to their preferred leaders', ({ image }) =>
      this.elections.balanceLeaders(image),
    ).then(
      isFull => isFull && this.balanceLeaders(),
      error => this.writer.giveUp('balanceLeaders', error),
    );
  }

  /** Partitions that nobody leads get a leader; where their topic allows it, one that may lack records. */
  electLeaderless(): void {
    if (this.writer.active === undefined || !this.elections.areSomeLeaderless(this.writer.active.image))
      return;
    this.elect('elected leaders where there were none', ({ image }) =>
      this.elections.electLeaderless(image),
    ).then(
      isFull => isFull && this.electLeaderless(),
      error => this.writer.giveUp('electLeaderless', error),
    );
  }

  /** One round of elections that nobody asked for. Resolves to whether another one should follow. */
  private async elect(
    what: string,
    operation: (state: ActiveState) => ControllerResult<ElectionRound>,
  ): Promise<boolean> {
    const { elected, isFull } = await this.writer.write('elect', undefined, operation);
    if (elected > 0) this.logger.info(what, { partitions: elected });
    return isFull;
  }

  private fenceStaleBrokers(): void {
    if (this.isFencing) return;
    this.writer.unasked('fenceStaleBrokers', active => {
      const { records, atomic, response: step } = this.cluster.fenceStaleBroker(active.image, this.nowMs());
      if (step === undefined) return;
      this.writer.append(records, atomic);
      if (step.isDone) this.logger.warn('fenced a broker that was not heard of', { brokerId: step.brokerId });
      // One step a turn, however often it is looked for stale brokers meanwhile.
      this.isFencing = true;
      this.runtime.timers.soon(() => {
        this.isFencing = false;
        this.fenceStaleBrokers();
      });
    });
  }

  /**
   * Kafka's controller writes an empty record every 500 ms while nothing else happens, so that other nodes can tell an
   * idle quorum from a lost one. A node that is alone has nobody to tell, and would fsync its disk awake for nothing.
   */
  private writeNoOp(idleMs: number): void {
    const { active } = this.writer;
    if (active === undefined || this.nowMs() - active.lastWriteMs < idleMs) return;
    const { brokers, controllers } = active.image.cluster;
    const alone = (ids: Iterable<number>): boolean => [...ids].every(id => id === this.nodeId);
    if (alone(brokers.keys()) && alone(controllers.keys())) return;
    this.writer.unasked('writeNoOp', () => this.writer.append([metadataRecord('NoOpRecord', {})], true));
  }

  private every(periodMs: number, task: () => void): void {
    const slot = this.timers.length;
    const run = (): void => {
      this.timers[slot] = this.runtime.timers.after(periodMs, () => {
        if (this.writer.active === undefined) return;
        run();
        task();
      });
    };
    run();
  }

  private nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }
}
