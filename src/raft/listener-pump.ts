import type { Offset } from '../base/int64.ts';
import type { Timers } from '../runtime/runtime.ts';
import { forOneTurn, ListenerContext, readCommitted } from './listener-context.ts';
import type { CommittedBatch, LeaderAndEpoch, RaftListener } from './raft-client.ts';
import type { ReplicatedLog } from './replicated-log.ts';

/** What listeners hear of, and whom it stops if one of them fails. */
export interface ListenedQuorum {
  /** Before it runs, and after, listeners hear of nothing. */
  isRunning(): boolean;
  /** Exclusive; `undefined` until it is known after a start. */
  highWatermark(): Offset | undefined;
  leaderAndEpoch(): LeaderAndEpoch;
  /** Where the leader's epoch begins, while this node leads. */
  epochStartOffset(): Offset | undefined;
  fail(error: unknown): void;
}

/**
 * Tells each listener, at its own pace, what is committed and who leads: what was appended lately from memory, the rest
 * from the log, a part of it in each turn of the event loop.
 */
export class ListenerPump {
  private readonly timers: Timers;
  private readonly log: ReplicatedLog;
  private readonly quorum: ListenedQuorum;
  private readonly listeners = new Set<ListenerContext>();
  private scheduled = false;
  /** Batches at the end of the log that some listener has not heard: a run without gaps. */
  private recent: CommittedBatch[] = [];

  constructor(timers: Timers, log: ReplicatedLog, quorum: ListenedQuorum) {
    this.timers = timers;
    this.log = log;
    this.quorum = quorum;
  }

  register(listener: RaftListener): void {
    this.listeners.add(new ListenerContext(listener));
    this.schedule();
  }

  unregister(listener: RaftListener): void {
    for (const context of this.listeners) {
      if (context.listener !== listener) continue;
      context.removed = true;
      this.listeners.delete(context);
    }
  }

  beginShutdown(): void {
    for (const { listener } of this.listeners) listener.beginShutdown?.();
  }

  // What becomes of the log.

  appended(batch: CommittedBatch): void {
    this.recent.push(batch);
  }

  truncatedTo(offset: Offset): void {
    this.recent = this.recent.filter(batch => batch.lastOffset < offset);
  }

  replacedBySnapshot(): void {
    this.recent = [];
  }

  /** Has every listener hear what there is to hear, soon. */
  schedule(): void {
    if (this.scheduled || !this.quorum.isRunning()) return;
    this.scheduled = true;
    this.timers.soon(() => {
      this.scheduled = false;
      if (!this.quorum.isRunning()) return;
      try {
        for (const context of this.listeners) this.pump(context);
        this.dropHeard();
      } catch (error) {
        this.quorum.fail(error);
      }
    });
  }

  /** Brings a listener on by what is at hand, at most one read of the log. */
  private pump(context: ListenerContext): void {
    if (context.reading) return;
    context.maybeLoadSnapshot(this.log);
    const highWatermark = this.quorum.highWatermark();
    if (highWatermark !== undefined && context.nextOffset < highWatermark) {
      const from = context.nextOffset;
      const first = this.recent[0];
      if (first !== undefined && first.baseOffset <= from) {
        const due = this.recent.filter(batch => batch.baseOffset >= from && batch.lastOffset < highWatermark);
        context.deliver(forOneTurn(due));
      } else {
        const batches = readCommitted(this.log, from, highWatermark);
        if (Array.isArray(batches)) context.deliver(batches);
        else {
          this.deliverLater(context, batches);
          return;
        }
      }
      if (context.nextOffset < highWatermark && context.nextOffset > from) this.schedule();
    }
    context.maybeTellLeader(this.quorum.leaderAndEpoch(), this.quorum.epochStartOffset());
  }

  private deliverLater(context: ListenerContext, batches: Promise<CommittedBatch[]>): void {
    context.reading = true;
    batches
      .then(read => {
        context.reading = false;
        if (!this.quorum.isRunning() || context.removed) return;
        context.deliver(read);
        this.schedule();
      })
      .catch((error: unknown) => {
        context.reading = false;
        // A snapshot has taken its place meanwhile, which is what the listener gets instead.
        if (context.nextOffset < this.log.startOffset) this.schedule();
        else this.quorum.fail(error);
      });
  }

  private dropHeard(): void {
    let heard: Offset = this.quorum.highWatermark() ?? 0;
    for (const context of this.listeners) if (context.nextOffset < heard) heard = context.nextOffset;
    let count = 0;
    while (count < this.recent.length && this.recent[count]!.lastOffset < heard) count++;
    if (count > 0) this.recent.splice(0, count);
  }
}
