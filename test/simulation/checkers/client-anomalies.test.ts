import { describe, expect, it } from 'vitest';
import { checkClientAnomalies, checkWatermarks } from './client-anomalies.ts';
import { EMPTY, HistoryBuilder, STRICT } from './history-builder.ts';

describe('client anomalies', () => {
  function good(): HistoryBuilder {
    return new HistoryBuilder()
      .write('p1', ['a', 'b'], 0)
      .write('p1', ['c'], 2)
      .assign('c1', 1, 0)
      .poll('c1', 1, 0, ['a', 'b'])
      .poll('c1', 1, 2, ['c']);
  }

  it('finds nothing in a history where all is well', () => {
    expect(good().check(checkClientAnomalies)).toEqual([]);
    expect(good().check(checkWatermarks)).toEqual([]);
  });

  it('inconsistent-offsets: two consumers read different values at one offset', () => {
    const history = good();
    history.send('p2', ['x']);
    history.assign('c2', 2, 0).poll('c2', 2, 0, ['a', 'x']);
    expect(history.check(checkClientAnomalies)).toContain('inconsistent-offsets');
  });

  it('inconsistent-offsets: an acknowledgement names an offset that another value has', () => {
    const history = new HistoryBuilder().write('p1', ['a'], 0).write('p2', ['b'], 0);
    expect(history.check(checkClientAnomalies)).toContain('inconsistent-offsets');
  });

  it('a record may be read before its acknowledgement has come', () => {
    const history = new HistoryBuilder();
    const op = history.send('p1', ['a']);
    history
      .assign('c1', 1, 0)
      .poll('c1', 1, 0, ['a'])
      .sent(op, 0)
      .write('p1', ['b'], 1)
      .poll('c1', 1, 1, ['b']);
    expect(history.check(checkClientAnomalies)).toEqual([]);
  });

  it('the acknowledgement of acks=1 promises nothing of its offset', () => {
    const history = good();
    history.sent(history.send('p2', ['x'], { acks: 1, idempotent: false }), 1);
    expect(history.check(checkClientAnomalies)).toEqual([]);
  });

  it('G1a: a write that failed for sure is read; one with an open fate may be', () => {
    const definite = new HistoryBuilder();
    definite.failed(definite.send('p1', ['a']), true);
    expect(definite.assign('c1', 1, 0).poll('c1', 1, 0, ['a']).check(checkClientAnomalies)).toEqual(['G1a']);
    const open = new HistoryBuilder();
    open.failed(open.send('p1', ['a']), false);
    expect(open.assign('c1', 1, 0).poll('c1', 1, 0, ['a']).check(checkClientAnomalies)).toEqual([]);
  });

  it('phantom: a value that nobody sent', () => {
    expect(good().poll('c1', 1, 3, ['z']).check(checkClientAnomalies)).toEqual(['phantom']);
  });

  it('phantom: a value that was sent to another partition', () => {
    const history = new HistoryBuilder();
    history.sent(history.send('p1', ['a'], { partition: 'other:1' }), 0);
    history.assign('c1', 1, 0).poll('c1', 1, 0, ['a']);
    expect(history.check(checkClientAnomalies)).toContain('phantom');
  });

  it('lost-write: what was acknowledged is not there, and later records are', () => {
    const history = new HistoryBuilder().write('p1', ['a'], 0).write('p1', ['b'], 1);
    history.assign('c1', 1, 1).poll('c1', 1, 1, ['b']);
    expect(history.check(checkClientAnomalies)).toEqual(['lost-write']);
  });

  it('lost-write: but what was to be deleted may be gone', () => {
    const history = new HistoryBuilder().write('p1', ['a'], 0).write('p1', ['b'], 1).write('p1', ['c'], 2);
    history.deleteRecords('a1', 1).assign('c1', 1, 2).poll('c1', 1, 2, ['c']);
    expect(history.check(checkClientAnomalies)).toEqual(['lost-write']);
    expect(history.deleteRecords('a1', 2).check(checkClientAnomalies)).toEqual([]);
  });

  it('unseen: what was acknowledged is not read by anyone when all is at rest', () => {
    const history = good().write('p1', ['d'], 3);
    expect(history.check(checkClientAnomalies)).toEqual(['unseen']);
    expect(history.check(checkClientAnomalies, EMPTY, { ...STRICT, atRest: false })).toEqual([]);
  });

  it('unseen: an acknowledgement that names no offset', () => {
    const history = good();
    history.sent(history.send('p1', ['d']), -1);
    expect(history.check(checkClientAnomalies)).toEqual(['unseen']);
  });

  it('duplicate: an idempotent value at two offsets', () => {
    expect(good().poll('c1', 1, 3, ['a']).check(checkClientAnomalies)).toEqual(['duplicate']);
  });

  it('a producer without idempotence may write twice', () => {
    const history = new HistoryBuilder();
    history.sent(history.send('p1', ['a'], { idempotent: false }), 0);
    history.assign('c1', 1, 0).poll('c1', 1, 0, ['a', 'a']);
    expect(history.check(checkClientAnomalies)).toEqual([]);
  });

  it('poll-skip: a session jumps ahead', () => {
    const history = new HistoryBuilder().write('p1', ['a', 'b', 'c'], 0).assign('c1', 1, 0);
    history.poll('c1', 1, 0, ['a']).poll('c1', 1, 2, ['c']).assign('c2', 2, 1).poll('c2', 2, 1, ['b']);
    expect(history.check(checkClientAnomalies)).toEqual(['poll-skip']);
  });

  it('nonmonotonic-poll: a session gets a record again; after a seek it may', () => {
    expect(good().poll('c1', 1, 1, ['b']).check(checkClientAnomalies)).toEqual(['nonmonotonic-poll']);
    expect(good().assign('c1', 2, 1, 'seek').poll('c1', 2, 1, ['b']).check(checkClientAnomalies)).toEqual([]);
  });

  it('nonmonotonic-send: a later batch of a producer lies before an earlier one', () => {
    const history = new HistoryBuilder().write('p1', ['a'], 1).write('p1', ['b'], 0);
    history.assign('c1', 1, 0).poll('c1', 1, 0, ['b', 'a']);
    expect(history.check(checkClientAnomalies)).toEqual(['nonmonotonic-send']);
  });

  it('asks for less where faults went beyond what records must survive', () => {
    const history = new HistoryBuilder().write('p1', ['a'], 0).write('p1', ['b'], 1);
    history.assign('c1', 1, 1).poll('c1', 1, 1, ['b']);
    expect(history.check(checkClientAnomalies, EMPTY, { ...STRICT, lossAllowed: true })).toEqual([]);
  });
});

describe('watermarks', () => {
  it('R5: a record at or past the high watermark of the answer', () => {
    const history = new HistoryBuilder().poll('c1', 1, 0, ['a', 'b'], { highWatermark: 1 });
    expect(history.check(checkWatermarks)).toEqual(['R5']);
  });

  it('R12: a follower serves past its own high watermark', () => {
    const history = new HistoryBuilder().poll('c1', 1, 0, ['a'], { highWatermark: 0, fromFollower: true });
    expect(history.check(checkWatermarks)).toEqual(['R12']);
  });

  it('R3: the high watermark of one leader epoch goes back; that of the next may start lower', () => {
    const history = new HistoryBuilder()
      .poll('c1', 1, 0, ['a', 'b'])
      .poll('c1', 1, 2, [], { highWatermark: 1 });
    expect(history.check(checkWatermarks)).toEqual(['R3']);
    const next = new HistoryBuilder().poll('c1', 1, 0, ['a', 'b']);
    next.poll('c1', 1, 2, [], { highWatermark: 1, leaderEpoch: 1, broker: 2 });
    expect(next.check(checkWatermarks)).toEqual([]);
  });

  it('R3: answers to questions that name no leader epoch may be of different epochs', () => {
    const history = new HistoryBuilder()
      .poll('c1', 1, 0, ['a', 'b'], { leaderEpoch: -1 })
      .poll('c1', 1, 2, [], { highWatermark: 0, leaderEpoch: -1 });
    expect(history.check(checkWatermarks)).toEqual([]);
  });

  it('R12: the end of the log is listed lower than it was listed before the question', () => {
    expect(new HistoryBuilder().listed('c1', 5).listed('c2', 4, 1).check(checkWatermarks)).toEqual(['R12']);
    // By a leader that has been deposed and does not know.
    expect(new HistoryBuilder().listed('c1', 5, 1).listed('c2', 4, 0).check(checkWatermarks)).toEqual([]);
  });

  it('answers to questions that overlap may come in any order', () => {
    const builder = new HistoryBuilder().listed('c1', 5);
    builder.history.record('c2', {
      kind: 'listed',
      partition: 'topic:0',
      leaderEpoch: 0,
      offset: 4,
      asked: 0,
    });
    expect(builder.check(checkWatermarks)).toEqual([]);
  });

  it('S9: a log begins after what was to be deleted, or goes back to before what was read', () => {
    const deleted = () => new HistoryBuilder().deleteRecords('a1', 3);
    expect(deleted().assign('c1', 1, 3, 'outOfRange', 1).check(checkWatermarks)).toEqual([]);
    expect(deleted().assign('c1', 1, 4, 'outOfRange', 1).check(checkWatermarks)).toEqual(['S9']);
    expect(deleted().assign('c1', 1, 2, 'outOfRange', 5).check(checkWatermarks)).toEqual(['R4']);
    expect(new HistoryBuilder().assign('c1', 1, 1, 'outOfRange').check(checkWatermarks)).toEqual(['S9']);
  });

  it('R4: a consumer is told that what it read is not in the log', () => {
    const history = new HistoryBuilder().assign('c1', 1, 3, 'truncated');
    expect(history.check(checkWatermarks)).toEqual(['R4']);
    expect(history.check(checkWatermarks, EMPTY, { ...STRICT, uncleanElections: true })).toEqual([]);
  });

  it('T1: a broker refuses the sequence that follows the last one acknowledged', () => {
    const { history, check } = bound(new HistoryBuilder());
    history.record('p1', {
      kind: 'sequenceError',
      op: 1,
      partition: 'topic:0',
      error: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
      unexpected: true,
    });
    expect(check()).toEqual(['T1']);
  });

  it('protocol: an answer that cannot be read', () => {
    const { history, check } = bound(new HistoryBuilder());
    history.record('c1', { kind: 'protocolError', text: 'a batch with a wrong CRC' });
    expect(check()).toEqual(['protocol']);
  });
});

function bound(builder: HistoryBuilder): { history: HistoryBuilder['history']; check: () => string[] } {
  return { history: builder.history, check: () => builder.check(checkWatermarks) };
}
