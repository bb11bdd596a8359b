import { diff64, type Int64, type Offset } from '../../../src/base/int64.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../../src/protocol/messages/23-offset-for-leader-epoch.ts';
import type { Infer, Input } from '../../../src/protocol/schema.ts';
import { batchesOf } from '../../../src/record/record-batch.ts';
import type { History, Observation, PartitionKey, PositionEvent, ReadRecord } from '../checkers/history.ts';
import type { SimClient } from '../simulation-types.ts';
import type { ClusterClient, KnownPartition, TrafficSettings } from './cluster-client.ts';
import type { Api } from './protocol-connection.ts';
import { Unanswered } from './protocol-connection.ts';

/** It misbehaves by breaking its connection or its session. */
export interface ConsumerSettings extends TrafficSettings {
  readonly fetchMaxWaitMs: number;
  readonly fetchMinBytes: number;
  readonly fetchMaxBytes: number;
  readonly partitionMaxBytes: number;
  /** Incremental fetch sessions (KIP-227). */
  readonly sessions: boolean;
  /** Asks OffsetForLeaderEpoch when the leader changes (KIP-320). */
  readonly validates: boolean;
  /** For reading from the nearest replica (KIP-392); empty for none. */
  readonly rack: string;
  /** How often it jumps back to an older offset or asks for the end of the log, per look around. */
  readonly seeks: number;
  /** Disks are damaged in this run: a batch with a wrong checksum is read again, until another replica leads. */
  readonly meetsDamage: boolean;
}

interface PartitionState {
  readonly partition: KnownPartition;
  session: number;
  position: Offset;
  /** The epoch of the last record before the position; -1 for none. */
  positionEpoch: number;
  /** The leader epoch for which the position was found to be right. */
  validatedEpoch: number;
  busy: boolean;
  /** A fetch that is on its way names it: there is one at a time, whichever broker it went to. */
  isFetched: boolean;
  notBeforeMs: number;
  preferredReplica: number;
  preferredUntilMs: number;
}

interface SentPartition {
  readonly state: PartitionState;
  readonly session: number;
  readonly position: Offset;
  /** That the broker was told, and has to be in to answer; -1 where the version of Fetch has none. */
  readonly leaderEpoch: number;
  /** It is asked of a replica that does not lead, as far as is known. */
  readonly fromFollower: boolean;
}

/** A fetch session as the client sees it. */
interface FetchSession {
  id: number;
  epoch: number;
  /** What the broker was told of each partition. */
  readonly known: Map<PartitionKey, { partition: KnownPartition; position: Offset; leaderEpoch: number }>;
}

const FETCH = { request: FetchRequest, response: FetchResponse };
const LIST_OFFSETS = { request: ListOffsetsRequest, response: ListOffsetsResponse };
const OFFSET_FOR_LEADER_EPOCH = {
  request: OffsetForLeaderEpochRequest,
  response: OffsetForLeaderEpochResponse,
};
const LATEST = -1;
const EARLIEST = -2;
const LOOK_MS = 50;
const FETCH_SESSIONS_SINCE = 7;
const TOPIC_IDS_SINCE = 13;
const LAST_FETCHED_EPOCH_SINCE = 12;
const LEADER_EPOCH_SINCE = 9;
/** Java: metadata.max.age.ms; here it has to end sometimes. */
const PREFERRED_REPLICA_MS = 2_000;

type FetchedPartition = Infer<typeof FetchResponse>['responses'][number]['partitions'][number];

/**
 * A consumer that is assigned all partitions of its topics and reads them from the beginning, one fetch on the way for
 * each broker, as the Java client does: incremental sessions, the leader epoch in each request, positions that are
 * validated when the leader changes, and cut where the leader says that the logs part.
 */
export class SimConsumer implements SimClient {
  readonly name: string;
  private readonly cluster: ClusterClient;
  private readonly settings: ConsumerSettings;
  private readonly history: History;
  private readonly states = new Map<PartitionKey, PartitionState>();
  private readonly sessions = new Map<number, FetchSession>();
  private readonly fetching = new Set<number>();
  private nextSession = 1;
  private stopping = false;
  private whenDone: (() => void) | undefined;
  /** Where a final read has to come to; undefined while reading goes on. */
  private goal: ReadonlyMap<PartitionKey, Offset> | undefined;

  constructor(cluster: ClusterClient, settings: ConsumerSettings, history: History) {
    this.name = cluster.name;
    this.cluster = cluster;
    this.settings = settings;
    this.history = history;
  }

  private note(observation: Observation): void {
    this.history.record(this.name, observation);
  }

  start(): void {
    void this.lookAround();
  }

  /** Ends at once: what it has not read is read by a {@link readToEnd}. */
  stop(): Promise<void> {
    this.stopping = true;
    this.cluster.close();
    return Promise.resolve();
  }

  /** Reads on until each partition of `goal` is read up to its offset (exclusive). */
  readTo(goal: ReadonlyMap<PartitionKey, Offset>): Promise<void> {
    this.goal = goal;
    return new Promise(resolve => {
      this.whenDone = resolve;
      this.checkGoal();
    });
  }

  private checkGoal(): void {
    const { goal, whenDone } = this;
    if (goal === undefined || whenDone === undefined) return;
    for (const [key, offset] of goal) {
      const state = this.states.get(key);
      if (state === undefined || state.position < offset) return;
    }
    this.stopping = true;
    this.cluster.close();
    whenDone();
  }

  /** What keeps {@link readTo} from ending. */
  missing(): string[] {
    return [...(this.goal ?? [])]
      .filter(([key, offset]) => (this.states.get(key)?.position ?? -1) < offset)
      .map(([key, offset]) => `${key}: at ${this.states.get(key)?.position ?? 'none'} of ${offset}`);
  }

  private async lookAround(): Promise<void> {
    const { cluster, settings } = this;
    const { random } = cluster;
    while (!cluster.isClosed) {
      await cluster.freshMetadata();
      for (const topic of settings.topics) {
        for (const partition of cluster.partitionsOf(topic)) {
          if (!this.states.has(partition.key)) this.assign(partition);
        }
      }
      if (
        !this.stopping &&
        this.goal === undefined &&
        this.states.size > 0 &&
        random.chance(settings.seeks)
      ) {
        const state = random.pick([...this.states.values()]);
        if (random.chance(0.5)) this.seekBack(state);
        else void this.askForEnd(state);
      }
      this.pump();
      await cluster.sleep(LOOK_MS);
    }
  }

  private assign(partition: KnownPartition): void {
    const state: PartitionState = {
      partition,
      session: 0,
      position: 0,
      positionEpoch: -1,
      validatedEpoch: partition.leaderEpoch,
      busy: false,
      isFetched: false,
      notBeforeMs: 0,
      preferredReplica: -1,
      preferredUntilMs: 0,
    };
    this.states.set(partition.key, state);
    this.moveTo(state, 0, -1, 'assign');
  }

  private moveTo(
    state: PartitionState,
    offset: Offset,
    epoch: number,
    reason: PositionEvent['reason'],
  ): void {
    const from = state.position;
    state.session = this.nextSession++;
    state.position = offset;
    state.positionEpoch = epoch;
    const { session, partition } = state;
    this.note({ kind: 'position', session, partition: partition.key, offset, from, reason });
  }

  private seekBack(state: PartitionState): void {
    const distance = Math.min(diff64(state.position, 0), 100);
    if (distance <= 0) return;
    this.moveTo(state, this.cluster.random.below(distance), -1, 'seek');
  }

  // Fetching.

  private pump(): void {
    const { cluster } = this;
    if (cluster.isClosed) return;
    const nowMs = cluster.nowMs();
    const byBroker = new Map<number, PartitionState[]>();
    for (const state of this.states.values()) {
      const { leader, leaderEpoch } = state.partition;
      if (leader < 0) cluster.forgetMetadata();
      if (leader < 0 || state.busy || state.isFetched || state.notBeforeMs > nowMs) continue;
      if (this.settings.validates && state.validatedEpoch < leaderEpoch && state.positionEpoch >= 0) {
        void this.validate(state);
        continue;
      }
      state.validatedEpoch = leaderEpoch;
      const fromFollower = state.preferredReplica >= 0 && state.preferredUntilMs > nowMs;
      const broker = fromFollower ? state.preferredReplica : leader;
      const list = byBroker.get(broker);
      if (list === undefined) byBroker.set(broker, [state]);
      else list.push(state);
    }
    for (const [broker, states] of byBroker) {
      if (this.fetching.has(broker)) continue;
      this.fetching.add(broker);
      for (const state of states) state.isFetched = true;
      void this.fetch(broker, states).finally(() => {
        this.fetching.delete(broker);
        for (const state of states) state.isFetched = false;
        this.checkGoal();
        this.pump();
      });
    }
  }

  private async fetch(broker: number, states: readonly PartitionState[]): Promise<void> {
    const { cluster, settings } = this;
    const { random } = cluster;
    try {
      const connection = await cluster.connection(broker);
      const version = connection.versionOf(FETCH, settings.maxVersion);
      if (version === undefined) throw new Unanswered('no version of Fetch in common', false);
      const sent = new Map<PartitionKey, SentPartition>();
      for (const state of states) {
        const { partition, session, position } = state;
        const { leader } = partition;
        const leaderEpoch = version >= LEADER_EPOCH_SINCE ? partition.leaderEpoch : -1;
        sent.set(partition.key, { state, session, position, leaderEpoch, fromFollower: broker !== leader });
      }
      const body = this.request(broker, sent, version);
      const patienceMs = cluster.options.requestTimeoutMs + settings.fetchMaxWaitMs;
      const asked = connection.requestAt(FETCH, version, body, patienceMs);
      if (random.chance(settings.misbehaves)) {
        void cluster
          .sleep(random.below(settings.fetchMaxWaitMs + 1))
          .then(() => cluster.disconnect(broker, 'cut by the client'));
      }
      const answer = await asked;
      if (answer.errorCode !== Errors.NONE) {
        this.sessions.delete(broker);
        await cluster.sleep(5);
        return;
      }
      this.keepSession(broker, answer, version);
      for (const { topic, topicId, partitions } of answer.responses) {
        for (const fetched of partitions) {
          const found = [...sent.values()].find(
            ({ state: { partition } }) =>
              partition.index === fetched.partitionIndex &&
              (version >= TOPIC_IDS_SINCE ? partition.topicId === topicId : partition.topic === topic),
          );
          if (found !== undefined) this.onFetched(broker, found, fetched, answer.nodeEndpoints);
        }
      }
      if (random.chance(settings.misbehaves)) this.breakSession(broker);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      this.sessions.delete(broker);
      for (const state of states) state.preferredReplica = -1;
      cluster.forgetMetadata();
      await cluster.sleep(20 + random.below(50));
    }
  }

  private request(
    broker: number,
    sent: ReadonlyMap<PartitionKey, SentPartition>,
    version: number,
  ): Input<typeof FetchRequest> {
    const { settings } = this;
    const withSession = settings.sessions && version >= FETCH_SESSIONS_SINCE;
    const session = withSession ? this.sessions.get(broker) : undefined;
    const wanted = [...sent.values()].filter(({ state, position, leaderEpoch }) => {
      const known = session?.known.get(state.partition.key);
      return known === undefined || known.position !== position || known.leaderEpoch !== leaderEpoch;
    });
    const forgotten = [...(session?.known ?? [])].filter(([key]) => !sent.has(key));
    if (session !== undefined) {
      for (const [key] of forgotten) session.known.delete(key);
      for (const { state, position, leaderEpoch } of wanted) {
        session.known.set(state.partition.key, { partition: state.partition, position, leaderEpoch });
      }
    } else if (withSession) {
      const known: FetchSession['known'] = new Map();
      for (const { state, position, leaderEpoch } of wanted) {
        known.set(state.partition.key, { partition: state.partition, position, leaderEpoch });
      }
      this.sessions.set(broker, { id: 0, epoch: 0, known });
    }
    return {
      maxWaitMs: settings.fetchMaxWaitMs,
      minBytes: settings.fetchMinBytes,
      maxBytes: settings.fetchMaxBytes,
      isolationLevel: 0,
      sessionId: session?.id ?? 0,
      sessionEpoch: session === undefined ? (withSession ? 0 : -1) : session.epoch,
      topics: byTopic(
        wanted.map(({ state, position, leaderEpoch }) => ({
          topic: state.partition,
          value: {
            partition: state.partition.index,
            currentLeaderEpoch: leaderEpoch,
            fetchOffset: position,
            lastFetchedEpoch: version >= LAST_FETCHED_EPOCH_SINCE ? state.positionEpoch : -1,
            partitionMaxBytes: settings.partitionMaxBytes,
          },
        })),
      ),
      forgottenTopicsData: byTopic(
        forgotten.map(([, { partition }]) => ({ topic: partition, value: partition.index })),
      ),
      rackId: settings.rack,
    };
  }

  private keepSession(broker: number, answer: Infer<typeof FetchResponse>, version: number): void {
    const session = this.sessions.get(broker);
    if (session === undefined || version < FETCH_SESSIONS_SINCE) return;
    if (answer.sessionId === 0) {
      this.sessions.delete(broker);
      return;
    }
    session.id = answer.sessionId;
    session.epoch = session.epoch === 0x7fff_ffff ? 1 : session.epoch + 1;
  }

  /** Forgets a session, or goes on in it with a wrong epoch, which the broker has to notice. */
  private breakSession(broker: number): void {
    const session = this.sessions.get(broker);
    if (session === undefined || this.cluster.random.chance(0.5)) this.sessions.delete(broker);
    else session.epoch += 1 + this.cluster.random.below(3);
  }

  private onFetched(
    broker: number,
    sent: SentPartition,
    fetched: FetchedPartition,
    endpoints: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[],
  ): void {
    const { state, fromFollower } = sent;
    const { cluster } = this;
    if (state.session !== sent.session || state.position !== sent.position) return;
    switch (fetched.errorCode) {
      case Errors.NONE:
        break;
      case Errors.OFFSET_OUT_OF_RANGE:
        if (fromFollower) state.preferredReplica = -1;
        else void this.resetToStart(state);
        return;
      default:
        state.preferredReplica = -1;
        if (!cluster.learnLeader(state.partition, fetched.currentLeader, endpoints)) {
          cluster.forgetMetadata();
          state.notBeforeMs = cluster.nowMs() + 20 + cluster.random.below(60);
        }
        return;
    }
    const { divergingEpoch, preferredReadReplica } = fetched;
    if (divergingEpoch.epoch >= 0 || divergingEpoch.endOffset >= 0) {
      const { endOffset, epoch } = divergingEpoch;
      this.moveTo(state, endOffset < state.position ? endOffset : state.position, epoch, 'truncated');
      return;
    }
    if (preferredReadReplica >= 0 && preferredReadReplica !== broker) {
      state.preferredReplica = preferredReadReplica;
      state.preferredUntilMs = cluster.nowMs() + PREFERRED_REPLICA_MS;
      return;
    }
    this.take(broker, sent, fetched);
  }

  private take(
    broker: number,
    { state, session, leaderEpoch, fromFollower }: SentPartition,
    fetched: FetchedPartition,
  ): void {
    const fetchOffset = state.position;
    const records: ReadRecord[] = [];
    const bytes = fetched.records ?? Buffer.alloc(0);
    let next = fetchOffset;
    let epoch = state.positionEpoch;
    for (const batch of batchesOf(bytes)) {
      if (!batch.isValid()) {
        if (this.settings.meetsDamage) {
          // As the Java client: it does not go on, and reads the same again.
          state.preferredReplica = -1;
          state.notBeforeMs = this.cluster.nowMs() + 50;
          return;
        }
        this.note({
          kind: 'protocolError',
          text: `broker ${broker} served a batch of ${state.partition.key} at ${batch.baseOffset} with a wrong CRC`,
        });
        return;
      }
      if (batch.nextOffset <= next) continue;
      epoch = batch.partitionLeaderEpoch;
      if (!batch.isControlBatch) {
        for (const { offset, value } of batch.records()) {
          if (offset < next) continue;
          const text = value === null ? '' : value.toString('latin1').trimEnd();
          records.push({ offset, value: text, leaderEpoch: epoch });
        }
      }
      next = batch.nextOffset;
    }
    state.position = next;
    state.positionEpoch = epoch;
    this.note({
      kind: 'poll',
      session,
      partition: state.partition.key,
      broker,
      fromFollower,
      leaderEpoch,
      fetchOffset,
      records,
      highWatermark: fetched.highWatermark,
      logStartOffset: fetched.logStartOffset,
    });
  }

  // Other questions.

  /** Asks the leader about one partition, which is not fetched from until the answer has come. */
  private async aside<Answer>(
    state: PartitionState,
    ask: () => Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (state.busy) return undefined;
    state.busy = true;
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      this.cluster.forgetMetadata();
      state.notBeforeMs = this.cluster.nowMs() + 50;
      return undefined;
    } finally {
      state.busy = false;
    }
  }

  private async validate(state: PartitionState): Promise<void> {
    const { partition, session, position, positionEpoch } = state;
    const { leader, leaderEpoch, topic, index } = partition;
    const answer = await this.aside(state, () =>
      this.cluster.ask(leader, OFFSET_FOR_LEADER_EPOCH, () => ({
        replicaId: -1,
        topics: [
          {
            topic,
            partitions: [{ partition: index, currentLeaderEpoch: leaderEpoch, leaderEpoch: positionEpoch }],
          },
        ],
      })),
    );
    const result = answer?.topics[0]?.partitions[0];
    if (result === undefined || state.session !== session || state.position !== position) return;
    if (result.errorCode !== Errors.NONE) {
      this.cluster.forgetMetadata();
      state.notBeforeMs = this.cluster.nowMs() + 50;
      return;
    }
    state.validatedEpoch = leaderEpoch;
    if (result.endOffset < 0) {
      this.moveTo(state, 0, -1, 'truncated');
    } else if (result.endOffset < state.position) {
      this.moveTo(state, result.endOffset, result.leaderEpoch, 'truncated');
    }
  }

  private async listOffset(
    state: PartitionState,
    timestamp: Int64,
  ): Promise<{ offset: Offset; leaderEpoch: number } | undefined> {
    const { leader, leaderEpoch, topic, index } = state.partition;
    const answer = await this.aside(state, () =>
      this.cluster.ask(
        leader,
        LIST_OFFSETS as Api<typeof ListOffsetsRequest, typeof ListOffsetsResponse>,
        () => ({
          replicaId: -1,
          isolationLevel: 0,
          topics: [
            {
              name: topic,
              partitions: [{ partitionIndex: index, currentLeaderEpoch: leaderEpoch, timestamp }],
            },
          ],
          timeoutMs: this.cluster.options.requestTimeoutMs,
        }),
      ),
    );
    const result = answer?.topics[0]?.partitions[0];
    if (result === undefined) return undefined;
    if (result.errorCode === Errors.NONE) return { offset: result.offset, leaderEpoch: result.leaderEpoch };
    this.cluster.forgetMetadata();
    return undefined;
  }

  private async askForEnd(state: PartitionState): Promise<void> {
    const asked = this.history.events.length;
    const { leaderEpoch, key } = state.partition;
    const listed = await this.listOffset(state, LATEST);
    if (listed === undefined || listed.offset < 0) return;
    const { offset } = listed;
    this.note({ kind: 'listed', partition: key, leaderEpoch, offset, asked });
  }

  private async resetToStart(state: PartitionState): Promise<void> {
    const { session, position } = state;
    const listed = await this.listOffset(state, EARLIEST);
    if (listed !== undefined && state.session === session && state.position === position) {
      this.moveTo(state, listed.offset, listed.leaderEpoch, 'outOfRange');
    }
  }
}

/** Groups values by topic, as requests want them. */
function byTopic<Value>(
  items: readonly { readonly topic: KnownPartition; readonly value: Value }[],
): { topic: string; topicId: string; partitions: Value[] }[] {
  const topics = new Map<string, { topic: string; topicId: string; partitions: Value[] }>();
  for (const { topic, value } of items) {
    let group = topics.get(topic.topicId);
    if (group === undefined) {
      group = { topic: topic.topic, topicId: topic.topicId, partitions: [] };
      topics.set(topic.topicId, group);
    }
    group.partitions.push(value);
  }
  return [...topics.values()];
}
