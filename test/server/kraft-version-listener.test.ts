import { describe, expect, test } from 'vitest';
import type { ControlRecord } from '../../src/raft/control-record.ts';
import type { CommittedBatch, SnapshotReader } from '../../src/raft/raft-client.ts';
import { KRaftVersionListener } from '../../src/server/kraft-version-listener.ts';

function batch(...controlRecords: ControlRecord[]): CommittedBatch {
  return {
    baseOffset: 0,
    lastOffset: 0,
    epoch: 1,
    appendTimestamp: 0,
    sizeInBytes: 100,
    records: [],
    controlRecords,
  };
}

describe('KRaftVersionListener', () => {
  test('knows the last level that the log or a snapshot names', () => {
    const listener = new KRaftVersionListener();
    expect(listener.level).toBe(0);
    listener.handleCommit([batch(), batch({ type: 'kraftVersion', level: 1 })]);
    expect(listener.level).toBe(1);
    listener.handleCommit([batch({ type: 'snapshotFooter' })]);
    expect(listener.level).toBe(1);

    const fresh = new KRaftVersionListener();
    const batches = [batch({ type: 'kraftVersion', level: 1 }), batch()];
    fresh.handleLoadSnapshot({ batches: () => batches } as unknown as SnapshotReader);
    expect(fresh.level).toBe(1);
  });
});
