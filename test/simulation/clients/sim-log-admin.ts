import { add64, diff64, max64, type Int64, type Offset } from '../../../src/base/int64.ts';
import { Errors, errorName } from '../../../src/protocol/errors.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../../src/protocol/messages/21-delete-records.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../../src/protocol/messages/34-alter-replica-log-dirs.ts';
import type { SimRandom } from '../sim-random.ts';
import type { KnownPartition } from './cluster-client.ts';
import { Unanswered } from './protocol-connection.ts';
import { SimWorker, type WorkerSettings } from './sim-worker.ts';

export interface LogAdminSettings extends WorkerSettings {
  readonly topics: readonly string[];
  readonly timeoutMs: number;
  /** How much of what a partition has a deletion takes at most, 0 to 1; 0: records are never deleted. */
  readonly deletes: number;
  /** The log directories of each broker that has more than one. */
  readonly logDirs: ReadonlyMap<number, readonly string[]>;
}

const LIST_OFFSETS = { request: ListOffsetsRequest, response: ListOffsetsResponse };
const DELETE_RECORDS = { request: DeleteRecordsRequest, response: DeleteRecordsResponse };
const ALTER_REPLICA_LOG_DIRS = {
  request: AlterReplicaLogDirsRequest,
  response: AlterReplicaLogDirsResponse,
};
const LATEST = -1;
const EARLIEST = -2;
/** Further beyond the end than anything is written while a request is on its way. */
const FAR = 1_000_000;

/** Who works on the logs themselves; `undefined` where a seed has nobody of that kind. */
export function drawLogAdmin(
  random: SimRandom,
  topics: readonly string[],
  nodes: readonly { readonly id: number; readonly isBroker: boolean; readonly logDirs: readonly string[] }[],
): LogAdminSettings | undefined {
  const severalDirs = nodes.filter(({ isBroker, logDirs }) => isBroker && logDirs.length > 1);
  const settings = {
    topics,
    thinkMs: random.pick([50, 300, 1_000]),
    timeoutMs: random.pick([300, 2_000]),
    deletes: random.chance(0.4) ? random.pick([0.1, 0.5, 1]) : 0,
    logDirs: new Map(severalDirs.map(({ id, logDirs }) => [id, logDirs])),
  };
  return settings.deletes > 0 || settings.logDirs.size > 0 ? settings : undefined;
}

/** Deletes records, and moves replicas between the log directories of their brokers. */
export class SimLogAdmin extends SimWorker<LogAdminSettings> {
  protected override async work(): Promise<void> {
    const { cluster, settings } = this;
    const { random } = cluster;
    const partitions = cluster.partitionsOf(random.pick(settings.topics));
    if (partitions.length === 0) return;
    const partition = random.pick(partitions);
    try {
      if (settings.logDirs.size === 0 || (settings.deletes > 0 && random.chance(0.5))) {
        await this.deleteRecords(partition);
      } else await this.move(partition);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      cluster.forgetMetadata();
    }
  }

  private async deleteRecords(partition: KnownPartition): Promise<void> {
    const { cluster, settings, history } = this;
    const { random } = cluster;
    if (partition.leader < 0) return;
    const start = await this.listOffset(partition, EARLIEST);
    const end = await this.listOffset(partition, LATEST);
    if (start === undefined || end === undefined) return;
    const tooFar = random.chance(0.1);
    const most = Math.floor(settings.deletes * diff64(end, start));
    const offset = tooFar ? add64(end, FAR) : max64(0, add64(start, random.between(0, Math.max(0, most))));
    const op = history.newOp();
    if (!tooFar) history.record(this.name, { kind: 'deleteRecords', op, partition: partition.key, offset });
    const answer = await cluster.ask(
      partition.leader,
      DELETE_RECORDS,
      () => ({
        topics: [{ name: partition.topic, partitions: [{ partitionIndex: partition.index, offset }] }],
        timeoutMs: settings.timeoutMs,
      }),
      { timeoutMs: settings.timeoutMs + cluster.options.requestTimeoutMs },
    );
    const result = answer.topics[0]?.partitions[0];
    if (result === undefined) return;
    const { errorCode, lowWatermark } = result;
    if (errorCode !== Errors.NONE) cluster.forgetMetadata();
    else if (tooFar || lowWatermark < offset) {
      const text = `deleting ${partition.key} up to ${offset} was answered with ${lowWatermark}, the end was ${end}`;
      history.record(this.name, { kind: 'protocolError', text });
    } else {
      history.record(this.name, { kind: 'recordsDeleted', op, partition: partition.key, lowWatermark });
    }
  }

  private async listOffset(partition: KnownPartition, timestamp: Int64): Promise<Offset | undefined> {
    const { leader, leaderEpoch, topic, index } = partition;
    const answer = await this.cluster.ask(leader, LIST_OFFSETS, () => ({
      replicaId: -1,
      isolationLevel: 0,
      topics: [
        {
          name: topic,
          partitions: [{ partitionIndex: index, currentLeaderEpoch: leaderEpoch, timestamp }],
        },
      ],
      timeoutMs: this.settings.timeoutMs,
    }));
    const result = answer.topics[0]?.partitions[0];
    if (result?.errorCode === Errors.NONE && result.offset >= 0) return result.offset;
    this.cluster.forgetMetadata();
    return undefined;
  }

  private async move(partition: KnownPartition): Promise<void> {
    const { cluster, settings, history } = this;
    const brokers = partition.replicas.filter(id => settings.logDirs.has(id));
    if (brokers.length === 0) return;
    const broker = cluster.random.pick(brokers);
    const path = cluster.random.pick(settings.logDirs.get(broker)!);
    const answer = await cluster.ask(broker, ALTER_REPLICA_LOG_DIRS, () => ({
      dirs: [{ path, topics: [{ name: partition.topic, partitions: [partition.index] }] }],
    }));
    const error = errorName(answer.results[0]?.partitions[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR);
    history.record(this.name, {
      kind: 'note',
      text: `${partition.topic}-${partition.index} of broker ${broker} shall go to ${path}: ${error}`,
    });
  }
}
