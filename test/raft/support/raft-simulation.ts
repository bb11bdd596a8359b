import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import type { LogEntry, VoterSetAtOffset } from '../../../src/raft/log-summary.ts';
import { type ElectionState, NO_ELECTION } from '../../../src/raft/quorum-state.ts';
import type { OffsetAndEpoch } from '../../../src/raft/raft-client.ts';
import { RaftCore } from '../../../src/raft/raft-core.ts';
import type { RaftMessage } from '../../../src/raft/raft-message.ts';
import {
  DEFAULT_TIMEOUTS,
  type RaftCoreInit,
  type RaftCoreOptions,
  type Ready,
} from '../../../src/raft/ready.ts';
import { type ReplicaKey, VoterSet, voterNode } from '../../../src/raft/voter-set.ts';

/** A violated invariant: the name is its number. */
export class Violation extends Error {
  constructor(name: string, message: string) {
    super(`${name}: ${message}`);
    this.name = name;
  }
}

export interface SimulationOptions {
  readonly nodes: number;
  /** Voters have directory ids and may change. */
  readonly dynamic: boolean;
  readonly seed: number;
  /** A quorum state that a crash forgets: a mutant that the checker has to catch. */
  readonly forgetsElection?: boolean;
  readonly makeCore?: (options: RaftCoreOptions, init: RaftCoreInit, nowMs: number) => RaftCore;
  readonly timeouts?: Partial<typeof DEFAULT_TIMEOUTS>;
}

/** A small deterministic generator (mulberry32). */
export function randomFrom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return bound => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

export function directoryId(node: number, incarnation = 0): string {
  const bytes = Buffer.alloc(16, 0x11);
  bytes.writeInt32BE(node, 8);
  bytes.writeInt32BE(incarnation, 12);
  return bytes.toString('base64url');
}

/** One replica: its core while it runs, and its disk always. */
export class SimulatedNode {
  readonly id: number;
  self: ReplicaKey;
  core: RaftCore | undefined;
  nextDeadlineMs = 0;
  /** What is on the disk and survives a crash. */
  election: ElectionState = NO_ELECTION;
  durableElection: ElectionState = NO_ELECTION;
  entries: LogEntry[] = [];
  startOffset = 0;
  startEpoch = 0;
  durableEndOffset = 0;
  snapshotId: OffsetAndEpoch | undefined;
  baseVoters: VoterSetAtOffset;
  highestEpochSaid = 0;
  incarnation = 0;
  /** How often its disk was replaced. */
  disks = 0;

  constructor(id: number, self: ReplicaKey, baseVoters: VoterSetAtOffset) {
    this.id = id;
    this.self = self;
    this.baseVoters = baseVoters;
  }

  get endOffset(): number {
    const last = this.entries.at(-1);
    return last === undefined ? this.startOffset : Number(last.lastOffset) + 1;
  }
}

export function signature(entry: LogEntry): string {
  const controls = entry.controls.map(control =>
    control.type === 'voters' ? `voters(${control.voters.ids.join(',')})` : control.type,
  );
  return `${entry.baseOffset}-${entry.lastOffset}@${entry.epoch}:${controls.join('+')}${String(entry.payload ?? '')}`;
}

/**
 * Replicas as pure cores, the network as a bag of messages and each disk as "flushed" and "not yet". After
 * every step the invariants M1 to M7 are checked over all of them.
 */
export class RaftSimulation {
  readonly nodes = new Map<number, SimulatedNode>();
  readonly network: RaftMessage[] = [];
  /** The last request of each replica to each other one. */
  private readonly requests = new Map<string, RaftMessage>();
  nowMs = 0;
  /** Every line of what happened, if somebody wants to read it. */
  /** Whether who asks a process that is down is told so while {@link settle} runs; else it hears nothing. */
  refusesWhenDown = false;
  onMessage: ((message: RaftMessage, what: 'sent' | 'delivered') => void) | undefined;
  onReady: ((node: SimulatedNode, ready: Ready) => void) | undefined;
  private readonly options: SimulationOptions;
  private readonly random: (bound: number) => number;
  private readonly leaders = new Map<number, string>();
  private readonly votes = new Map<string, string>();
  private readonly written = new Map<string, { signature: string; previous: string | undefined }>();
  readonly committed = new Map<number, string>();
  private readonly snapshots = new Map<number, VoterSetAtOffset>();
  private readonly lostDisks = new Map<string, { entries: LogEntry[]; startOffset: number }>();
  private proposals = 0;
  readonly reached = new Map<string, number>();

  constructor(options: SimulationOptions) {
    this.options = options;
    this.random = randomFrom(options.seed);
    const ids = Array.from({ length: options.nodes }, (_, i) => i + 1);
    const voters = options.dynamic
      ? new VoterSet(ids.map(id => voterNode(id, directoryId(id))))
      : VoterSet.ofIds(ids);
    const base: VoterSetAtOffset = { offset: -1, voters, kraftVersion: options.dynamic ? 1 : 0 };
    for (const id of ids) {
      this.nodes.set(id, new SimulatedNode(id, { id, directoryId: directoryId(id) }, base));
    }
  }

  count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1);
  }

  get running(): SimulatedNode[] {
    return [...this.nodes.values()].filter(node => node.core !== undefined);
  }

  get leader(): SimulatedNode | undefined {
    return this.running.filter(node => node.core!.isLeader).sort((a, b) => b.core!.epoch - a.core!.epoch)[0];
  }

  node(id: number): SimulatedNode {
    return this.nodes.get(id)!;
  }

  /** A replica that is no voter yet. */
  addObserver(id: number): SimulatedNode {
    const node = new SimulatedNode(
      id,
      { id, directoryId: directoryId(id) },
      { offset: -1, voters: new VoterSet([]), kraftVersion: this.options.dynamic ? 1 : 0 },
    );
    this.nodes.set(id, node);
    return node;
  }

  start(id: number): void {
    const node = this.node(id);
    if (node.core !== undefined) return;
    node.incarnation++;
    const epochs: { epoch: number; startOffset: number }[] = [];
    const voterSets = [node.baseVoters];
    for (const entry of node.entries) {
      if (entry.epoch !== epochs.at(-1)?.epoch) {
        epochs.push({ epoch: entry.epoch, startOffset: Number(entry.baseOffset) });
      }
      entry.controls.forEach((control, i) => {
        const { kraftVersion } = voterSets.at(-1)!;
        const offset = Number(entry.baseOffset) + i;
        if (control.type === 'voters') voterSets.push({ offset, voters: control.voters, kraftVersion });
      });
    }
    const makeCore = this.options.makeCore ?? ((options, init, nowMs) => new RaftCore(options, init, nowMs));
    node.core = makeCore(
      {
        ...DEFAULT_TIMEOUTS,
        ...this.options.timeouts,
        self: node.self,
        bootstrapIds: [...this.nodes.keys()],
        random: this.random,
        firstCorrelationId: node.incarnation * 1_000_000,
      },
      {
        election: node.durableElection,
        log: {
          startOffset: node.startOffset,
          startEpoch: node.startEpoch,
          endOffset: node.endOffset,
          epochs,
          latestSnapshotId: node.snapshotId,
          voterSets,
        },
      },
      this.nowMs,
    );
    node.election = node.durableElection;
    node.durableEndOffset = node.endOffset;
    if (node.core.epoch < node.highestEpochSaid && node.core.epoch < node.durableElection.epoch) {
      throw new Violation('M7', `node ${id} came back in epoch ${node.core.epoch}`);
    }
    this.process(node, node.core.start(this.nowMs));
  }

  startAll(): void {
    for (const id of this.nodes.keys()) this.start(id);
  }

  /** The process ends; of what was not flushed the disk keeps the first `kept` entries. */
  crash(id: number, kept: number): void {
    const node = this.node(id);
    if (node.core === undefined) return;
    const flushed = node.entries.filter(entry => entry.lastOffset < node.durableEndOffset).length;
    if (flushed < node.entries.length) this.count('crash with an unflushed tail');
    if (node.core.isLeader) this.count('crash of a leader');
    node.entries = node.entries.slice(0, flushed + kept);
    node.core = undefined;
    if (this.options.forgetsElection !== true) node.durableElection = node.election;
    // Its connections end with it: answers to what this incarnation asked reach nobody.
    this.drop(message => message.to === id && message.type.endsWith('Response'));
  }

  /** The disk is replaced by an empty one, which has a directory id of its own. */
  wipe(id: number): void {
    this.crash(id, 0);
    const node = this.node(id);
    // What it had acknowledged was durable until now, and a leader may still count it.
    const { directoryId: lost } = node.self;
    if (this.options.dynamic)
      this.lostDisks.set(`${id}/${lost}`, { entries: node.entries, startOffset: node.startOffset });
    node.entries = [];
    node.startOffset = 0;
    node.startEpoch = 0;
    node.snapshotId = undefined;
    node.election = NO_ELECTION;
    node.durableElection = NO_ELECTION;
    node.highestEpochSaid = 0;
    if (this.options.dynamic) {
      node.self = { id, directoryId: directoryId(id, ++node.disks) };
      node.baseVoters = { offset: -1, voters: new VoterSet([]), kraftVersion: 1 };
    }
    this.count('wiped disk');
  }

  drop(which: (message: RaftMessage) => boolean): void {
    for (let i = this.network.length - 1; i >= 0; i--) if (which(this.network[i]!)) this.network.splice(i, 1);
  }

  /** The sender of the request at `index` learns that nobody listens where it went. */
  refuse(index: number): void {
    const message = this.network[index];
    if (message === undefined || message.type.endsWith('Response')) return;
    this.network.splice(index, 1);
    this.fail(message, true);
    this.count('refused');
  }

  /** All connections to a node break off: whoever waits for an answer learns that there will be none. */
  disconnect(id: number): void {
    this.drop(message => message.to === id || message.from === id);
    for (const request of [...this.requests.values()]) if (request.to === id) this.fail(request, false);
  }

  private fail({ from, to: peer, correlationId }: RaftMessage, refused: boolean): void {
    const node = this.nodes.get(from);
    if (node?.core === undefined) return;
    const event = { type: 'requestFailed', peer, correlationId, refused } as const;
    this.process(node, node.core.step(event, this.nowMs));
  }

  /** Delivers the message at `index`; it stays in the network too if `again`. */
  deliver(index: number, again = false): void {
    const message = this.network[index];
    if (message === undefined) return;
    if (!again) this.network.splice(index, 1);
    const node = this.nodes.get(message.to);
    if (node?.core === undefined) return;
    this.onMessage?.(message, 'delivered');
    const ready = node.core.step({ type: 'receive', message }, this.nowMs);
    if (message.type === 'vote' && !message.preVote) {
      const granted = ready.messages.some(reply => reply.type === 'voteResponse' && reply.voteGranted);
      if (granted) this.noteVote(node, message.epoch, message.candidate);
    }
    this.process(node, ready);
  }

  tick(ms: number): void {
    this.nowMs += ms;
    for (const node of this.running) {
      if (node.nextDeadlineMs <= this.nowMs)
        this.process(node, node.core!.step({ type: 'tick' }, this.nowMs));
    }
  }

  flush(id: number): void {
    const node = this.node(id);
    if (node.core === undefined || node.durableEndOffset === node.endOffset) return;
    node.durableEndOffset = node.endOffset;
    const { truncations } = node.core.log;
    const event = { type: 'flushed', endOffset: node.endOffset, truncations } as const;
    this.process(node, node.core.step(event, this.nowMs));
  }

  flushAll(): void {
    for (const node of this.running) this.flush(node.id);
  }

  propose(id: number, recordCount = 1): void {
    const node = this.node(id);
    if (node.core?.isLeader !== true) return;
    const batches = [{ recordCount, payload: `p${++this.proposals}` }];
    this.process(node, node.core.step({ type: 'append', epoch: node.core.epoch, batches }, this.nowMs));
  }

  resign(id: number): void {
    const node = this.node(id);
    if (node.core === undefined) return;
    this.process(node, node.core.step({ type: 'resign', epoch: node.core.epoch }, this.nowMs));
  }

  /** A snapshot at the high watermark; the log behind it goes. */
  snapshot(id: number): void {
    const node = this.node(id);
    const highWatermark = Number(node.core?.highWatermark ?? 0);
    if (node.core === undefined || highWatermark <= node.startOffset) return;
    const last = node.entries.filter(entry => entry.lastOffset < highWatermark).at(-1);
    if (last === undefined || Number(last.lastOffset) + 1 !== highWatermark) return;
    const snapshotId = { offset: highWatermark, epoch: last.epoch };
    this.process(node, node.core.step({ type: 'snapshotCreated', id: snapshotId }, this.nowMs));
    const voters = node.core.log.votersBelow(highWatermark);
    this.snapshots.set(highWatermark, voters);
    this.process(node, node.core.step({ type: 'logStartAdvanced', startOffset: highWatermark }, this.nowMs));
    node.entries = node.entries.filter(entry => entry.baseOffset >= highWatermark);
    node.startOffset = highWatermark;
    node.startEpoch = last.epoch;
    node.snapshotId = snapshotId;
    node.baseVoters = voters;
    this.count('snapshot');
  }

  addVoter(leaderId: number, id: number): number | undefined {
    const node = this.node(leaderId);
    if (node.core === undefined) return Errors.NOT_LEADER_OR_FOLLOWER;
    const added = this.node(id);
    const event = { type: 'addVoter', voter: voterNode(id, added.self.directoryId) } as const;
    const ready = node.core.step(event, this.nowMs);
    this.process(node, ready);
    if (ready.refused === undefined) this.count('voter added');
    return ready.refused;
  }

  removeVoter(leaderId: number, id: number): number | undefined {
    const node = this.node(leaderId);
    if (node.core === undefined) return Errors.NOT_LEADER_OR_FOLLOWER;
    const event = { type: 'removeVoter', voter: { id, directoryId: ZERO_UUID } } as const;
    const ready = node.core.step(event, this.nowMs);
    this.process(node, ready);
    if (ready.refused === undefined) this.count('voter removed');
    return ready.refused;
  }

  /**
   * Everything is delivered and flushed, time passes. Returns the ms until `until` holds; throws after
   * `limitMs`.
   */
  settle(until: () => boolean, limitMs: number): number {
    const startMs = this.nowMs;
    while (this.nowMs - startMs <= limitMs) {
      for (let round = 0; round < 200 && this.network.length > 0; round++) {
        this.flushAll();
        if (this.isRefused(0)) this.refuse(0);
        else this.deliver(0);
      }
      this.flushAll();
      if (until()) return this.nowMs - startMs;
      this.tick(10);
    }
    throw new Violation('M11', `not reached in ${limitMs} ms`);
  }

  /** Processes that are down refuse requests, if {@link refusesWhenDown}. */
  private isRefused(index: number): boolean {
    const { to, type } = this.network[index]!;
    return this.refusesWhenDown && !type.endsWith('Response') && this.nodes.get(to)?.core === undefined;
  }

  private process(node: SimulatedNode, ready: Ready): void {
    const core = node.core!;
    if (ready.persist !== undefined) {
      node.election = ready.persist;
      if (this.options.forgetsElection !== true) node.durableElection = ready.persist;
    }
    if (ready.truncateTo !== undefined) {
      const to = ready.truncateTo;
      node.entries = node.entries.filter(entry => entry.baseOffset < to);
      node.durableEndOffset = Math.min(node.durableEndOffset, Number(to));
      this.count('truncation');
    }
    for (const entry of ready.appends) this.append(node, entry);
    this.onReady?.(node, ready);
    node.nextDeadlineMs = ready.nextDeadlineMs;
    for (const message of ready.messages) this.send(node, message);
    if (ready.snapshotChunk?.last === true) this.install(node, ready.snapshotChunk.id);
    this.check(node, core);
    if (ready.highWatermark !== undefined) this.checkCommit(node, core, Number(ready.highWatermark));
  }

  private send(node: SimulatedNode, message: RaftMessage): void {
    let filled = message;
    if (message.type === 'fetchResponse' && message.readFrom !== undefined) {
      const from = message.readFrom;
      const { readFrom: _, ...rest } = message;
      filled = { ...rest, entries: node.entries.filter(entry => entry.baseOffset >= from).slice(0, 3) };
    }
    if (message.type === 'fetchSnapshotResponse' && message.error === Errors.NONE) {
      const bytes = Buffer.from(message.position === 0 ? 'half' : 'rest');
      filled = { ...message, size: 8, bytes };
    }
    if (!message.type.endsWith('Response'))
      node.highestEpochSaid = Math.max(node.highestEpochSaid, message.epoch);
    this.network.push(filled);
    if (!message.type.endsWith('Response')) this.requests.set(`${message.from}>${message.to}`, message);
    this.onMessage?.(filled, 'sent');
  }

  private append(node: SimulatedNode, entry: LogEntry): void {
    const previous = node.entries.at(-1);
    const key = `${entry.baseOffset}@${entry.epoch}`;
    const known = this.written.get(key);
    const before = previous === undefined ? undefined : signature(previous);
    if (known === undefined) this.written.set(key, { signature: signature(entry), previous: before });
    else {
      if (known.signature !== signature(entry)) {
        throw new Violation('M3', `${known.signature} and ${signature(entry)} at one place of one epoch`);
      }
      if (known.previous !== undefined && before !== undefined && known.previous !== before) {
        throw new Violation('M3', `${key} follows ${known.previous} here and ${before} there`);
      }
      known.previous ??= before;
    }
    node.entries.push(entry);
  }

  private install(node: SimulatedNode, id: OffsetAndEpoch): void {
    const voters = this.snapshots.get(Number(id.offset))!;
    node.entries = [];
    node.startOffset = Number(id.offset);
    node.startEpoch = id.epoch;
    node.durableEndOffset = Number(id.offset);
    node.snapshotId = id;
    node.baseVoters = voters;
    this.count('snapshot installed');
    this.process(node, node.core!.step({ type: 'snapshotInstalled', id, voters }, this.nowMs));
  }

  private noteVote(node: SimulatedNode, epoch: number, candidate: ReplicaKey): void {
    const key = `${node.self.id}/${node.self.directoryId}@${epoch}`;
    const vote = `${candidate.id}/${candidate.directoryId}`;
    const before = this.votes.get(key);
    if (before !== undefined && before !== vote)
      throw new Violation('M2', `${key} voted for ${before} and ${vote}`);
    this.votes.set(key, vote);
  }

  private check(node: SimulatedNode, core: RaftCore): void {
    if (core.stateName === 'candidate' || core.stateName === 'leader')
      this.noteVote(node, core.epoch, node.self);
    if (Number(core.log.endOffset) !== node.endOffset) {
      throw new Violation('log', `the core is at ${core.log.endOffset}, the log at ${node.endOffset}`);
    }
    if (!core.isLeader) return;
    const who = `${node.id}/${node.incarnation}`;
    const before = this.leaders.get(core.epoch);
    if (before !== undefined && before !== who) {
      throw new Violation('M1', `${before} and ${who} lead in epoch ${core.epoch}`);
    }
    if (before === undefined) {
      this.leaders.set(core.epoch, who);
      this.count('leader');
      this.checkLeaderCompleteness(node);
    }
  }

  private checkLeaderCompleteness(node: SimulatedNode): void {
    const own = new Set(node.entries.map(signature));
    for (const [offset, entry] of this.committed) {
      if (offset >= node.startOffset && !own.has(entry)) {
        throw new Violation('M4', `the leader ${node.id} lacks the committed ${entry}`);
      }
    }
  }

  private checkCommit(node: SimulatedNode, core: RaftCore, highWatermark: number): void {
    for (const entry of node.entries) {
      if (entry.lastOffset >= highWatermark) break;
      const known = this.committed.get(Number(entry.baseOffset));
      if (known !== undefined && known !== signature(entry)) {
        throw new Violation('M6', `${known} and ${signature(entry)} are committed at one offset`);
      }
    }
    if (core.isLeader) this.checkMajority(node, core, highWatermark);
    for (const entry of node.entries) {
      if (entry.lastOffset < highWatermark) this.committed.set(Number(entry.baseOffset), signature(entry));
    }
  }

  private checkMajority(node: SimulatedNode, core: RaftCore, highWatermark: number): void {
    const last = node.entries.filter(entry => entry.lastOffset < highWatermark).at(-1);
    if (last === undefined) return;
    if (last.epoch !== core.epoch)
      throw new Violation('M5', `${signature(last)} committed in epoch ${core.epoch}`);
    const holders = core.voters.voters.filter(voter => {
      const other = this.nodes.get(voter.id);
      const lost = this.lostDisks.get(`${voter.id}/${voter.directoryId}`);
      if (lost !== undefined) {
        return (
          lost.startOffset >= highWatermark ||
          lost.entries.some(entry => signature(entry) === signature(last))
        );
      }
      if (other === undefined || !core.voters.has(other.self)) return false;
      if (other.startOffset >= highWatermark) return true;
      const same = other.entries.some(entry => signature(entry) === signature(last));
      return same && other.durableEndOffset >= highWatermark;
    });
    if (holders.length < core.voters.majority) {
      throw new Violation(
        'M5',
        `${highWatermark} is committed and on the disks of ${holders.length} voters only`,
      );
    }
  }
}
