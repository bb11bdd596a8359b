import type { Logger } from '../base/logger.ts';
import { NetworkClient } from '../client/network-client.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { DescribeClusterRequest, DescribeClusterResponse } from '../protocol/messages/60-describe-cluster.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { SharedServer } from './shared-server.ts';

export interface StartupWatchOptions {
  /** What the broker of this node waits for, in words; `undefined` if it waits for nothing. */
  readonly waitsFor: () => string | undefined;
  /** The node can never start as it is. */
  readonly onFatal: (error: Error) => void;
}

/** A controller that this node needs, and what came of asking it. */
export interface ProbedController extends HostAndPort {
  /** `undefined` for one of `controller.quorum.bootstrap.servers`. */
  readonly id: number | undefined;
  /** This node itself is not asked. */
  readonly isSelf: boolean;
  /** Of the controller, if it has answered. */
  readonly clusterId?: string;
  /** Why it cannot be reached. */
  readonly problem?: string;
}

/** Most starts are done before the first look. */
const FIRST_LOOK_MS = 2_000;
const PERIOD_MS = 5_000;
const PROBE_TIMEOUT_MS = 1_500;
const CONTROLLER_ENDPOINTS = 2;
const ENDPOINT_TYPE_MAX_VERSION = 1;

const DESCRIBE_CLUSTER = { request: DescribeClusterRequest, response: DescribeClusterResponse };

/**
 * While a node starts: says every few seconds what it waits for. Where that is the quorum, it asks the controllers one
 * by one, to tell which are missing and why, and whether they are of another cluster.
 */
export class StartupWatch {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly config: KafkaConfig;
  private readonly shared: SharedServer;
  private readonly options: StartupWatchOptions;
  private readonly client: NetworkClient;
  private timer: Timer | undefined;
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    config: KafkaConfig,
    shared: SharedServer,
    options: StartupWatchOptions,
  ) {
    this.runtime = runtime;
    this.logger = logger.child('startup');
    this.config = config;
    this.shared = shared;
    this.options = options;
    this.client = new NetworkClient(runtime, this.logger, {
      clientId: `node-${config.nodeId}-startup`,
      connectTimeoutMs: PROBE_TIMEOUT_MS,
      maxFrameBytes: config.int('socket.request.max.bytes'),
    });
  }

  start(): void {
    this.lookLater(FIRST_LOOK_MS);
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.client.close();
  }

  private lookLater(delayMs: number): void {
    this.timer = this.runtime.timers.after(delayMs, () => {
      this.look().then(
        () => {
          if (!this.closed) this.lookLater(PERIOD_MS);
        },
        (error: unknown) => {
          if (this.closed) return;
          this.logger.error('cannot tell what the start waits for', { error: String(error) });
          this.lookLater(PERIOD_MS);
        },
      );
    });
  }

  private async look(): Promise<void> {
    const waitsFor = this.options.waitsFor();
    const { leaderId } = this.shared.quorum.leaderAndEpoch();
    if (leaderId !== undefined && this.shared.loader.image().highestOffset >= 0) {
      this.logger.warn('still starting', { waitsFor, controller: leaderId });
      return;
    }
    const controllers = await Promise.all(this.targets().map(target => this.probe(target)));
    if (this.closed) return;
    const { clusterId } = this.shared.identity;
    const stranger = otherCluster(controllers, clusterId);
    if (stranger !== undefined) {
      const { metadataLogDir } = this.config;
      this.options.onFatal(
        new KafkaError(
          Errors.INCONSISTENT_CLUSTER_ID,
          `${metadataLogDir}/meta.properties says that this node is of cluster ${clusterId}, but ${stranger}: one of ` +
            'the two was formatted with another id than the rest of its cluster, or the addresses of the ' +
            'controllers in the configuration are those of another cluster',
        ),
      );
      return;
    }
    this.logger.warn('still starting', { waitsFor: quorumText(controllers, clusterId, leaderId) });
  }

  private targets(): ProbedController[] {
    const { nodeId, quorumBootstrapServers } = this.config;
    const voters = this.shared.quorum.voterEndpoints();
    if (voters.length > 0) return voters.map(voter => ({ ...voter, isSelf: voter.id === nodeId }));
    return quorumBootstrapServers.map(server => ({ ...server, id: undefined, isSelf: false }));
  }

  private async probe(target: ProbedController): Promise<ProbedController> {
    if (target.isSelf) return target;
    const { host, port } = target;
    try {
      const { clusterId, errorCode } = await this.client.send(
        { host, port },
        DESCRIBE_CLUSTER,
        { endpointType: CONTROLLER_ENDPOINTS },
        { timeoutMs: PROBE_TIMEOUT_MS, maxVersion: ENDPOINT_TYPE_MAX_VERSION },
      );
      if (errorCode === Errors.MISMATCHED_ENDPOINT_TYPE) {
        return { ...target, problem: 'that is the listener of a broker, not of a controller' };
      }
      return { ...target, clusterId };
    } catch (error) {
      return { ...target, problem: problemOf(error) };
    }
  }
}

/** The system's name of the failure if there is one, which is what administrators look for. */
function problemOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /\bE[A-Z]{3,}\b/.exec(message)?.[0] ?? message;
}

function nameOf({ id, host, port }: ProbedController): string {
  return id === undefined ? `the controller at ${host}:${port}` : `controller ${id} at ${host}:${port}`;
}

/** What keeps a node from finding a quorum, in words. `leaderId`: of the leader whose metadata is not there yet. */
export function quorumText(
  controllers: readonly ProbedController[],
  clusterId: string,
  leaderId: number | undefined,
): string {
  if (leaderId !== undefined) return `the metadata log of controller ${leaderId}, the leader, is being read`;
  if (controllers.length === 0) {
    return 'no quorum: neither the log nor the configuration names a controller; this node has to be added to a quorum';
  }
  const strange = (each: ProbedController): boolean =>
    each.clusterId !== undefined && each.clusterId !== '' && each.clusterId !== clusterId;
  const problems = controllers.flatMap(each => {
    if (each.problem !== undefined) return [`cannot reach ${nameOf(each)} (${each.problem})`];
    return strange(each) ? [`${nameOf(each)} is of another cluster, ${each.clusterId}`] : [];
  });
  const isBootstrap = controllers.every(({ id }) => id === undefined);
  const reachable = controllers.filter(each => each.problem === undefined && !strange(each)).length;
  const needed = Math.floor(controllers.length / 2) + 1;
  const count = isBootstrap
    ? `${reachable} of ${controllers.length} bootstrap servers reachable`
    : `${reachable} of ${controllers.length} voters reachable; a quorum needs ${needed}`;
  if (problems.length === 0) return `no quorum: ${count}; they have not elected a leader yet`;
  return `no quorum: ${problems.join(', ')}; ${count}`;
}

/**
 * Says of which other cluster the controllers are, if that is certain: a majority of them is of one that is not this
 * node's. One stray controller among those of this node's cluster is its own problem.
 */
export function otherCluster(
  controllers: readonly ProbedController[],
  clusterId: string,
): string | undefined {
  const counts = new Map<string, ProbedController[]>();
  for (const controller of controllers) {
    const other = controller.clusterId;
    if (other === undefined || other === '' || other === clusterId) continue;
    counts.set(other, [...(counts.get(other) ?? []), controller]);
  }
  const majority = Math.floor(controllers.length / 2) + 1;
  for (const [other, members] of counts) {
    if (members.length < majority) continue;
    return `${members.map(nameOf).join(' and ')} ${members.length === 1 ? 'is' : 'are'} of cluster ${other}`;
  }
  return undefined;
}
