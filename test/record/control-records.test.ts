import { describe, expect, it } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import {
  type ControlRecordInput,
  ControlRecordType,
  controlBatch,
  controlRecordTypeId,
  decodeControlRecord,
  encodeControlRecord,
  endTransactionMarkerBatch,
} from '../../src/record/control-records.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { GOLDEN_TIME, GOLDEN_WIDE, goldenRecords } from './golden-records.ts';

const golden = goldenRecords('golden-records');

function controlOf(name: string) {
  const batch = new RecordBatch(golden.get(name)!);
  expect([batch.isValid(), batch.isControlBatch]).toEqual([true, true]);
  return decodeControlRecord([...batch.records()][0]!);
}

describe('transaction markers', () => {
  it('are read from and written as the bytes of Apache Kafka', () => {
    expect(controlOf('control-commit')).toEqual({ type: ControlRecordType.COMMIT, coordinatorEpoch: 12 });
    expect(controlOf('control-abort')).toEqual({ type: ControlRecordType.ABORT, coordinatorEpoch: 12 });
    const common = {
      timestamp: GOLDEN_TIME,
      partitionLeaderEpoch: 3,
      producerEpoch: 5,
      coordinatorEpoch: 12,
    };
    const commit = endTransactionMarkerBatch({
      ...common,
      baseOffset: 9,
      producerId: 4000,
      type: ControlRecordType.COMMIT,
    });
    expect(commit.toString('hex')).toBe(golden.get('control-commit')!.toString('hex'));
    const abort = endTransactionMarkerBatch({
      ...common,
      baseOffset: GOLDEN_WIDE,
      producerId: GOLDEN_WIDE,
      type: ControlRecordType.ABORT,
    });
    expect(abort.toString('hex')).toBe(golden.get('control-abort')!.toString('hex'));
  });
});

describe('control records of the quorum', () => {
  const cases: readonly (readonly [string, number, ControlRecordInput])[] = [
    [
      'control-leader-change',
      11,
      {
        type: ControlRecordType.LEADER_CHANGE,
        message: {
          version: 0,
          leaderId: 2,
          voters: [{ voterId: 1 }, { voterId: 2 }],
          grantingVoters: [{ voterId: 2 }],
        },
      },
    ],
    [
      'control-snapshot-header',
      0,
      {
        type: ControlRecordType.SNAPSHOT_HEADER,
        message: { version: 0, lastContainedLogTimestamp: GOLDEN_TIME - 1 },
      },
    ],
    ['control-snapshot-footer', 8, { type: ControlRecordType.SNAPSHOT_FOOTER, message: { version: 0 } }],
    [
      'control-kraft-version',
      1,
      { type: ControlRecordType.KRAFT_VERSION, message: { version: 0, kRaftVersion: 1 } },
    ],
    [
      'control-voters',
      2,
      {
        type: ControlRecordType.KRAFT_VOTERS,
        message: {
          version: 0,
          voters: [
            {
              voterId: 1,
              voterDirectoryId: Buffer.from('00000000000004d2000000000000162e', 'hex').toString('base64url'),
              endpoints: [{ name: 'CONTROLLER', host: 'localhost', port: 9093 }],
              kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 1 },
            },
          ],
        },
      },
    ],
  ];

  it.each(cases)('%s is read from and written as the bytes of Apache Kafka', (name, baseOffset, record) => {
    expect(controlOf(name)).toMatchObject(record);
    const batch = controlBatch([record], { baseOffset, timestamp: GOLDEN_TIME, partitionLeaderEpoch: 4 });
    expect(batch.toString('hex')).toBe(golden.get(name)!.toString('hex'));
  });
});

describe('decodeControlRecord', () => {
  const { key, value } = encodeControlRecord({ type: ControlRecordType.COMMIT, coordinatorEpoch: 3 });

  it('passes over types that it does not know', () => {
    const later = Buffer.from(key);
    later.writeInt16BE(99, 2);
    expect(decodeControlRecord({ key: later, value: null })).toEqual({ type: 'unknown', typeId: 99 });
  });

  it('reads later versions as the one it knows, and refuses negative ones', () => {
    const later = Buffer.concat([key, Buffer.from([1, 2])]);
    later.writeInt16BE(5, 0);
    expect(controlRecordTypeId(later)).toBe(ControlRecordType.COMMIT);
    later.writeInt16BE(-1, 0);
    expect(() => controlRecordTypeId(later)).toThrow(MalformedError);
  });

  it('refuses keys and values that are missing or too short', () => {
    expect(() => decodeControlRecord({ key: null, value })).toThrow(MalformedError);
    expect(() => decodeControlRecord({ key: key.subarray(0, 3), value })).toThrow(MalformedError);
    expect(() => decodeControlRecord({ key, value: null })).toThrow(MalformedError);
    for (let end = 0; end < value.length; end++) {
      expect(() => decodeControlRecord({ key, value: value.subarray(0, end) })).toThrow(MalformedError);
    }
  });
});
