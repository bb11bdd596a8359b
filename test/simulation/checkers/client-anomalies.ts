import { add64, max64, type Offset, sub64 } from '../../../src/base/int64.ts';
import { type CheckOptions, type Checker, Findings, type Violation } from './checker.ts';
import type { FinalState } from './final-state.ts';
import type { History, PartitionKey, RecordedOf } from './history.ts';

/** What became of a value that a producer sent. */
interface Write {
  readonly value: string;
  readonly send: RecordedOf<'send'>;
  readonly index: number;
  /** The offset that its acknowledgement gives it; undefined if there is none, or it does not say. */
  ackedOffset: Offset | undefined;
  /** When it was acknowledged. */
  ackedMs: number | undefined;
  failedForSure: boolean;
}

/** One value at one offset, as somebody saw it. */
interface Sighting {
  readonly value: string;
  readonly atMs: number;
  readonly by: string;
  readonly isPoll: boolean;
}

/** The history by values and partitions, as the checks below want it. */
class Writes {
  readonly byValue = new Map<string, Write>();
  readonly sends = new Map<number, RecordedOf<'send'>>();

  constructor(history: History) {
    for (const event of history.events) {
      if (event.kind === 'send') {
        this.sends.set(event.op, event);
        event.values.forEach((value, index) => {
          this.byValue.set(value, {
            value,
            send: event,
            index,
            ackedOffset: undefined,
            ackedMs: undefined,
            failedForSure: false,
          });
        });
      } else if (event.kind === 'sent' || event.kind === 'sendFailed') {
        for (const value of this.sends.get(event.op)?.values ?? []) {
          const write = this.byValue.get(value)!;
          if (event.kind === 'sendFailed') write.failedForSure = event.definite;
          else {
            write.ackedMs = event.atMs;
            if (event.offset >= 0) write.ackedOffset = add64(event.offset, write.index);
          }
        }
      }
    }
  }
}

/**
 * The rows "never" of the table of Kafka anomalies that need no transactions:
 *
 * | anomaly | meaning |
 * |---|---|
 * | `inconsistent-offsets` | one offset, two values, be it in polls or in an acknowledgement |
 * | `G1a` | a write that failed for sure was polled |
 * | `phantom` | a value was polled that nobody sent |
 * | `lost-write` | an acknowledged write below the highest polled offset that nobody polled |
 * | `unseen` | an acknowledged write that nobody polled until the end |
 * | `duplicate` | one value at two offsets, though its producer is idempotent |
 * | `poll-skip`, `nonmonotonic-poll` | records of one session of a consumer jump ahead, or back |
 * | `nonmonotonic-send` | a producer's later batch at a lower offset |
 */
export const checkClientAnomalies: Checker = (history, end, options) => {
  const findings = new Findings();
  const writes = new Writes(history);
  const byOffset = checkOffsets(history, writes, options, findings);
  checkReads(history, writes, options, findings);
  checkLost(writes, byOffset, history.deletedBelow(), end, options, findings);
  if (!mayLose(options)) checkSendOrder(history, findings);
  checkSessions(history, findings);
  return findings.violations;
};

type OffsetMap = Map<PartitionKey, Map<Offset, Sighting>>;

/** An offset has one value for all that see it. Where unclean elections may cut the log, a later value may differ. */
function checkOffsets(
  history: History,
  writes: Writes,
  options: CheckOptions,
  findings: Findings,
): OffsetMap {
  const seen: OffsetMap = new Map();
  const see = (partition: PartitionKey, offset: Offset, sighting: Sighting): void => {
    let offsets = seen.get(partition);
    if (offsets === undefined) {
      offsets = new Map();
      seen.set(partition, offsets);
    }
    const before = offsets.get(offset);
    if (before !== undefined && before.value !== sighting.value && !mayLose(options)) {
      findings.add(
        'inconsistent-offsets',
        sighting.atMs,
        `${partition} offset ${offset} is '${before.value}' for ${before.by} at ${before.atMs} ms and ` +
          `'${sighting.value}' for ${sighting.by}`,
      );
    }
    // An acknowledgement may come after the record was read: it does not take the place of a poll.
    if (before === undefined || sighting.isPoll) offsets.set(offset, sighting);
  };
  for (const event of history.events) {
    if (event.kind === 'poll') {
      for (const { offset, value } of event.records) {
        see(event.partition, offset, { value, atMs: event.atMs, by: event.process, isPoll: true });
      }
    } else if (event.kind === 'sent' && event.offset >= 0) {
      const send = writes.sends.get(event.op);
      // With fewer acknowledgements than all an answer is no promise that the record stays.
      if (send === undefined || send.acks !== -1) continue;
      send.values.forEach((value, index) => {
        const by = `the acknowledgement to ${event.process}`;
        see(send.partition, add64(event.offset, index), { value, atMs: event.atMs, by, isPoll: false });
      });
    }
  }
  return seen;
}

function mayLose({ lossAllowed, uncleanElections }: CheckOptions): boolean {
  return lossAllowed || uncleanElections;
}

function checkReads(history: History, writes: Writes, options: CheckOptions, findings: Findings): void {
  const offsetsOf = new Map<string, Offset>();
  for (const { atMs, process, partition, records } of history.of('poll')) {
    for (const { offset, value } of records) {
      const write = writes.byValue.get(value);
      if (write === undefined) {
        findings.add('phantom', atMs, `${process} read '${value}' at ${partition} ${offset}: nobody sent it`);
        continue;
      }
      if (write.send.partition !== partition) {
        findings.add(
          'phantom',
          atMs,
          `'${value}' was sent to ${write.send.partition} and read at ${partition}`,
        );
      }
      if (write.failedForSure) {
        findings.add(
          'G1a',
          atMs,
          `${process} read '${value}' at ${partition} ${offset}: its send had failed`,
        );
      }
      const before = offsetsOf.get(value);
      if (before !== undefined && before !== offset && write.send.idempotent && !mayLose(options)) {
        findings.add('duplicate', atMs, `'${value}' is at ${partition} ${before} and at ${offset}`);
      }
      offsetsOf.set(value, offset);
    }
  }
}

function checkLost(
  writes: Writes,
  byOffset: OffsetMap,
  deletedBelow: ReadonlyMap<PartitionKey, Offset>,
  end: FinalState,
  options: CheckOptions,
  findings: Findings,
): void {
  if (mayLose(options)) return;
  const highest = new Map<PartitionKey, Offset>();
  const polled = new Set<string>();
  for (const [partition, offsets] of byOffset) {
    for (const [offset, { value, isPoll }] of offsets) {
      if (!isPoll) continue;
      polled.add(value);
      if (offset > (highest.get(partition) ?? -1)) highest.set(partition, offset);
    }
  }
  for (const write of writes.byValue.values()) {
    const { send, value, ackedOffset, ackedMs } = write;
    if (ackedMs === undefined || send.acks !== -1 || polled.has(value)) continue;
    const below = deletedBelow.get(send.partition);
    if (below !== undefined && (ackedOffset === undefined || ackedOffset < below)) continue;
    // A sighting by poll takes the place of one by acknowledgement, so this value was never read.
    const readTo = highest.get(send.partition) ?? -1;
    const where = `${send.partition} ${ackedOffset ?? 'at an offset that was not told'}`;
    if (ackedOffset !== undefined && ackedOffset < readTo) {
      findings.add('lost-write', ackedMs, `'${value}' was acknowledged at ${where}, nobody read it`);
    } else if (options.atRest) {
      findings.add(
        'unseen',
        end.atMs,
        `'${value}' was acknowledged at ${where}, nobody had read it at the end`,
      );
    }
  }
}

/** Batches of one idempotent producer are acknowledged at offsets in the order in which they were sent. */
function checkSendOrder(history: History, findings: Findings): void {
  const acked = new Map<number, RecordedOf<'sent'>>();
  for (const event of history.of('sent')) acked.set(event.op, event);
  const last = new Map<string, { offset: Offset; values: readonly string[] }>();
  for (const send of history.of('send')) {
    const sent = acked.get(send.op);
    if (sent === undefined || sent.offset < 0 || !send.idempotent) continue;
    const key = `${send.process} ${send.partition}`;
    const before = last.get(key);
    if (before !== undefined && sent.offset <= before.offset) {
      findings.add(
        'nonmonotonic-send',
        sent.atMs,
        `${send.process} sent '${send.values[0]}' after '${before.values[0]}' to ${send.partition}; ` +
          `they are at ${sent.offset} and ${before.offset}`,
      );
    }
    last.set(key, { offset: sent.offset, values: send.values });
  }
}

/** Within a session a consumer gets each record once, in order and without a gap. */
function checkSessions(history: History, findings: Findings): void {
  const expected = new Map<string, Offset>();
  for (const event of history.events) {
    if (event.kind === 'position') {
      expected.set(`${event.process} ${event.session}`, event.offset);
      continue;
    }
    if (event.kind !== 'poll') continue;
    const key = `${event.process} ${event.session}`;
    let next = expected.get(key);
    for (const { offset, value } of event.records) {
      if (next !== undefined && offset > next) {
        const skipped = sub64(offset, next);
        findings.add(
          'poll-skip',
          event.atMs,
          `${event.process} got '${value}' at ${event.partition} ${offset}: ${skipped} offsets from ${next} on are skipped`,
        );
      } else if (next !== undefined && offset < next) {
        findings.add(
          'nonmonotonic-poll',
          event.atMs,
          `${event.process} got '${value}' at ${event.partition} ${offset} after it had read to ${next}`,
        );
      }
      next = add64(offset, 1);
    }
    if (next !== undefined) expected.set(key, next);
  }
}

/**
 * What brokers tell of their high watermark: R3 and R5, with ListOffsets for R12, and what else of a single answer
 * can be wrong.
 */
export const checkWatermarks: Checker = (history, _end, options) => {
  const findings = new Findings();
  const byEpoch = new Map<string, Offset>();
  const deletedBelow = new Map<PartitionKey, Offset>();
  const listed = new Map<PartitionKey, { offset: Offset; event: number; epoch: number }[]>();
  history.events.forEach((event, index) => {
    if (event.kind === 'poll') checkPoll(event, byEpoch, findings);
    else if (event.kind === 'deleteRecords')
      deletedBelow.set(event.partition, max64(event.offset, deletedBelow.get(event.partition) ?? 0));
    else if (event.kind === 'protocolError')
      findings.add('protocol', event.atMs, `${event.process}: ${event.text}`);
    else if (event.kind === 'listed' && !mayLose(options)) {
      const answers = listed.get(event.partition) ?? [];
      listed.set(event.partition, answers);
      for (const before of answers) {
        // Only an answer that had come before this one was asked for can be compared; and who asks in an older epoch asks
        // a leader that may not have heard of its successor.
        if (before.event < event.asked && before.offset > event.offset && before.epoch <= event.leaderEpoch) {
          findings.add(
            'R12',
            event.atMs,
            `the end of ${event.partition} was listed as ${before.offset} (leader epoch ${before.epoch}), ` +
              `then as ${event.offset} (leader epoch ${event.leaderEpoch})`,
          );
        }
      }
      answers.push({ offset: event.offset, event: index, epoch: event.leaderEpoch });
    } else if (event.kind === 'position' && !mayLose(options)) {
      checkPosition(event, deletedBelow.get(event.partition) ?? 0, findings);
    } else if (event.kind === 'sequenceError' && event.unexpected && !mayLose(options)) {
      findings.add(
        'T1',
        event.atMs,
        `${event.process} got ${event.error} for the batch that follows the last one acknowledged of ${event.partition}`,
      );
    }
  });
  return findings.violations;
};

function checkPoll(event: RecordedOf<'poll'>, byEpoch: Map<string, Offset>, findings: Findings): void {
  const { partition, leaderEpoch, broker, highWatermark, records, atMs, process } = event;
  const last = records.at(-1);
  if (last !== undefined && last.offset >= highWatermark) {
    findings.add(
      event.fromFollower ? 'R12' : 'R5',
      atMs,
      `${process} got ${partition} ${last.offset} from broker ${broker}, whose high watermark is ${highWatermark}`,
    );
  }
  // Up to Fetch v8 nothing says in which epoch a leader answers, and a new one may know less than the last: one that has
  // been elected again after its process died begins with its checkpoint.
  if (leaderEpoch < 0) return;
  // One client's answers from one broker come in order; those of a leader in one epoch may not go back.
  const key = `${process} ${partition} ${broker} ${leaderEpoch}`;
  const before = byEpoch.get(key) ?? -1;
  if (!event.fromFollower && highWatermark < before) {
    findings.add(
      'R3',
      atMs,
      `broker ${broker} told ${process} the high watermark ${highWatermark} of ${partition} after ${before}, ` +
        `both in leader epoch ${leaderEpoch}`,
    );
  }
  if (highWatermark > before) byEpoch.set(key, highWatermark);
}

/**
 * A consumer has read committed records only, so nothing it has read may be cut off. Where records are deleted before
 * it comes to them it goes to the new start of the log, which is nothing that nobody asked for (S9).
 */
function checkPosition(event: RecordedOf<'position'>, deletedBelow: Offset, findings: Findings): void {
  if (event.reason !== 'truncated' && event.reason !== 'outOfRange') return;
  if (event.reason === 'outOfRange' && event.offset > (event.from ?? 0)) {
    if (event.offset <= deletedBelow) return;
    findings.add(
      'S9',
      event.atMs,
      `${event.partition} begins at ${event.offset} for ${event.process}: nobody deleted more than up to ${deletedBelow}`,
    );
    return;
  }
  findings.add(
    'R4',
    event.atMs,
    `${event.process} had to go to ${event.offset} in ${event.partition} (${event.reason}): ` +
      'what it had read is not in the log of the leader',
  );
}

export type { Violation };
