import { beforeAll, describe, expect, it } from 'vitest';
import { MalformedError } from '../../../src/base/byte-reader.ts';
import { INT64_MAX, type Offset } from '../../../src/base/int64.ts';
import { prepareCodecs } from '../../../src/compression/codecs.ts';
import { CompressionType } from '../../../src/compression/compression-type.ts';
import { BatchFilter, type LastOfProducer } from '../../../src/log/cleaner/batch-filter.ts';
import {
  CleanedTransactions,
  NO_TRANSACTIONS,
  withAborted,
} from '../../../src/log/cleaner/cleaned-transactions.ts';
import { OFFSET_MAP_ENTRY_BYTES, OffsetMap } from '../../../src/log/cleaner/offset-map.ts';
import type { AbortedTxn } from '../../../src/log/transaction-index.ts';
import { ControlRecordType, endTransactionMarkerBatch } from '../../../src/record/control-records.ts';
import { TimestampType } from '../../../src/record/record.ts';
import { RecordBatch } from '../../../src/record/record-batch.ts';
import { RecordBatchBuilder, type RecordBatchOptions } from '../../../src/record/record-batch-builder.ts';

beforeAll(prepareCodecs);

const NOW_MS = 1_000_000;
const DELETE_RETENTION_MS = 1000;
const HORIZON_MS = NOW_MS + DELETE_RETENTION_MS;

interface Setup {
  /** The last offset of each key. */
  readonly keys?: Readonly<Record<string, number>>;
  readonly latestOffset?: Offset;
  readonly producers?: readonly LastOfProducer[];
  readonly aborted?: readonly AbortedTxn[];
  readonly nowMs?: number;
  readonly deleteRetentionMs?: number;
}

function filterOf(setup: Setup = {}): BatchFilter {
  const state = { slots: 100, secret: [3, 4] as const, firstOffset: 0, entries: 0, entriesMax: 99 };
  const memory = new SharedArrayBuffer(100 * OFFSET_MAP_ENTRY_BYTES);
  const map = new OffsetMap({ ...state, memory, latestOffset: setup.latestOffset ?? 1000 });
  for (const [key, offset] of Object.entries(setup.keys ?? {}))
    map.put(Buffer.from(key), 0, Buffer.byteLength(key), offset);
  return new BatchFilter({
    map,
    transactions: new CleanedTransactions(withAborted(NO_TRANSACTIONS, setup.aborted ?? [])),
    producers: new Map((setup.producers ?? []).map(last => [last.producerId, last])),
    nowMs: setup.nowMs ?? NOW_MS,
    deleteRetentionMs: setup.deleteRetentionMs ?? DELETE_RETENTION_MS,
  });
}

/** Records as `key=value`, `key` for a tombstone, `=value` without a key. */
function batchWith(texts: readonly string[], options: RecordBatchOptions = {}): RecordBatch {
  const builder = new RecordBatchBuilder({ baseOffset: 10, partitionLeaderEpoch: 5, ...options });
  for (const [at, text] of texts.entries()) {
    const [key, value] = text.split('=');
    builder.append({
      timestamp: 500 + at * 200,
      key: key === '' ? null : Buffer.from(key!),
      value: value === undefined ? null : Buffer.from(value),
      headers: [{ key: 'h', value: Buffer.from([255]) }],
    });
  }
  return new RecordBatch(builder.build());
}

function recordsOf(batch: RecordBatch): string[] {
  return [...batch.records()].map(
    ({ offset, timestamp, key, value }) =>
      `${offset}@${timestamp} ${key ?? ''}${value === null ? '' : `=${value}`}`,
  );
}

function filtered(batch: RecordBatch, setup: Setup = {}, isLast = false): RecordBatch | undefined {
  const bytes = filterOf(setup).filter(batch, isLast);
  if (bytes === undefined) return undefined;
  const result = new RecordBatch(bytes);
  expect(result.isValid()).toBe(true);
  expect([result.baseOffset, result.lastOffset, result.partitionLeaderEpoch, result.sizeInBytes]).toEqual([
    batch.baseOffset,
    batch.lastOffset,
    batch.partitionLeaderEpoch,
    bytes.length,
  ]);
  return result;
}

const TRANSACTION = { producerId: 7, producerEpoch: 1, baseSequence: 3, isTransactional: true } as const;

function markerWith(type: 0 | 1, baseOffset = 20): RecordBatch {
  const ids = { producerId: 7, producerEpoch: 1, coordinatorEpoch: 0 };
  return new RecordBatch(endTransactionMarkerBatch({ ...ids, type, baseOffset, timestamp: 500 }));
}

describe('a batch of a compacted log', () => {
  it.each([
    CompressionType.NONE,
    CompressionType.GZIP,
    CompressionType.SNAPPY,
    CompressionType.LZ4,
    CompressionType.ZSTD,
  ])('keeps the last record of each key, under its codec (%i)', compression => {
    const batch = batchWith(['a=1', 'b=2', 'c=3', 'd=4'], { compression });
    const kept = filtered(batch, { keys: { a: 10, b: 50, c: 12, d: 99 } })!;
    expect(recordsOf(kept)).toEqual(['10@500 a=1', '12@900 c=3']);
    expect([kept.count, kept.compressionType, kept.lastOffset, kept.baseTimestamp]).toEqual([
      2,
      compression,
      13,
      500,
    ]);
    expect(kept.maxTimestamp).toBe(900);
    expect([...kept.records()][0]!.headers).toEqual([{ key: 'h', value: Buffer.from([255]) }]);
  });

  it('keeps its bytes if nothing goes', () => {
    const batch = batchWith(['a=1', 'b=2'], { compression: CompressionType.LZ4 });
    expect(filtered(batch, { keys: { a: 10, b: 11 } })!.bytes).toEqual(batch.bytes);
    expect(filtered(batch)!.bytes).toEqual(batch.bytes);
  });

  it('goes with its last record, unless it is the last batch of all', () => {
    const batch = batchWith(['a=1', 'b=2']);
    const setup = { keys: { a: 50, b: 51 } };
    expect(filtered(batch, setup)).toBeUndefined();
    const empty = filtered(batch, setup, true)!;
    expect([empty.count, empty.lastOffset, empty.maxTimestamp]).toEqual([0, 11, 700]);
    expect(filtered(empty, setup)).toBeUndefined();
    expect(filtered(empty, setup, true)!.bytes).toEqual(empty.bytes);
  });

  it('loses records without a key, but not behind what the map knows', () => {
    const batch = batchWith(['=1', 'a=2', '=3']);
    expect(recordsOf(filtered(batch)!)).toEqual(['11@700 a=2']);
    expect(recordsOf(filtered(batch, { latestOffset: 11 })!)).toEqual(['11@700 a=2', '12@900 =3']);
    expect(filtered(batch, { latestOffset: 9 })!.bytes).toEqual(batch.bytes);
  });

  it('keeps the time of appending for all records', () => {
    const batch = batchWith(['a=1', 'b=2'], {
      timestampType: TimestampType.LOG_APPEND_TIME,
      logAppendTime: 9999,
    });
    const kept = filtered(batch, { keys: { b: 50 } })!;
    expect([recordsOf(kept), kept.timestampType]).toEqual([['10@9999 a=1'], TimestampType.LOG_APPEND_TIME]);
  });

  it.each([CompressionType.NONE, CompressionType.ZSTD])(
    'gets a delete horizon with its first tombstone, and loses that when it has passed (%i)',
    compression => {
      const batch = batchWith(['a=1', 'b', 'c=3'], { compression });
      const marked = filtered(batch, { keys: { a: 50 } })!;
      expect(recordsOf(marked)).toEqual(['11@700 b', '12@900 c=3']);
      expect([marked.deleteHorizonMs, marked.maxTimestamp]).toEqual([HORIZON_MS, 900]);
      expect(filtered(marked, { nowMs: HORIZON_MS - 1 })!.bytes).toEqual(marked.bytes);
      const later = filtered(marked, { nowMs: HORIZON_MS })!;
      expect(recordsOf(later)).toEqual(['12@900 c=3']);
      expect(later.deleteHorizonMs).toBe(HORIZON_MS);
      expect(recordsOf(filtered(later, { nowMs: HORIZON_MS + 1 })!)).toEqual(['12@900 c=3']);
    },
  );

  it('gets no delete horizon while older records of the tombstone may be there', () => {
    const batch = batchWith(['a=1', 'b']);
    expect(filtered(batch, { latestOffset: 10 })!.bytes).toEqual(batch.bytes);
    expect(filtered(batch, { latestOffset: 11 })!.deleteHorizonMs).toBe(HORIZON_MS);
  });

  it('has a horizon that is never, where tombstones stay for ever', () => {
    const marked = filtered(batchWith(['a']), { deleteRetentionMs: 2 ** 63 })!;
    expect([marked.deleteHorizonMs, recordsOf(marked)]).toEqual([INT64_MAX, ['10@500 a']]);
    const again = filtered(marked, { nowMs: 2 ** 50, deleteRetentionMs: 2 ** 63 })!;
    expect(again.bytes).toEqual(marked.bytes);
  });

  it('stays without records if it is the last of its producer (the sequence stays known)', () => {
    const ids = { producerId: 7, producerEpoch: 2, baseSequence: 40 };
    const batch = batchWith(['a=1', 'b=2'], ids);
    const setup = { keys: { a: 50, b: 51 } };
    const producers = [{ producerId: 7, producerEpoch: 2, lastOffset: 11 }];
    const empty = filtered(batch, { ...setup, producers })!;
    expect([empty.count, empty.producerId, empty.producerEpoch, empty.lastSequence]).toEqual([0, 7, 2, 41]);
    expect(filtered(batch, { ...setup, producers: [{ ...producers[0]!, lastOffset: 77 }] })).toBeUndefined();
    expect(filtered(batch, { ...setup, producers: [{ ...producers[0]!, producerId: 8 }] })).toBeUndefined();
  });

  it('is refused if its records are not what it declares', () => {
    const batch = batchWith(['a=1', 'b=2']);
    batch.buffer.writeInt32BE(1, 57);
    expect(() => filterOf().filter(batch, false)).toThrow(MalformedError);
    batch.buffer.writeInt32BE(3, 57);
    expect(() => filterOf().filter(batch, false)).toThrow(MalformedError);
  });
});

describe('transactions in a compacted log', () => {
  const ABORTED: AbortedTxn = { producerId: 7, firstOffset: 10, lastOffset: 20, lastStableOffset: 21 };

  it('lose what was aborted at once, and the marker when nothing of it is left', () => {
    const filter = filterOf({ aborted: [ABORTED] });
    expect(filter.filter(batchWith(['a=1'], TRANSACTION), false)).toBeUndefined();
    // The batch stood there until now, and readers may still have it.
    const marker = markerWith(ControlRecordType.ABORT);
    expect(filter.filter(marker, false)).toEqual(marker.bytes);

    const marked = filtered(marker)!;
    expect([marked.deleteHorizonMs, marked.count]).toEqual([HORIZON_MS, 1]);
    expect(filtered(marked, { nowMs: HORIZON_MS - 1 })!.bytes).toEqual(marked.bytes);
    expect(filtered(marked, { nowMs: HORIZON_MS })).toBeUndefined();
    expect(filtered(marked, { nowMs: HORIZON_MS }, true)!.count).toBe(0);
  });

  it('keep the marker of a batch that stays for its sequence, and the entry in the index', () => {
    const state = withAborted(NO_TRANSACTIONS, [ABORTED]);
    const transactions = new CleanedTransactions(state);
    const empty = batchWith(['a=1'], TRANSACTION);
    expect(transactions.onDataBatch(empty)).toBe(true);
    const resumed = new CleanedTransactions(structuredClone(transactions.state));
    expect(resumed.onControlBatch(markerWith(ControlRecordType.ABORT))).toBe(false);
    expect(resumed.retained).toEqual([ABORTED]);
    expect(resumed.state).toEqual({ aborted: [], ongoingAborted: [], ongoingCommitted: [] });
  });

  it('keep a commit as long as one of their batches is there', () => {
    const filter = filterOf({ keys: { b: 11 } });
    const data = batchWith(['a=1'], TRANSACTION);
    expect(filter.filter(data, false)).toEqual(data.bytes);
    const marker = markerWith(ControlRecordType.COMMIT);
    expect(filter.filter(marker, false)).toEqual(marker.bytes);
    expect(filtered(marker)!.deleteHorizonMs).toBe(HORIZON_MS);
  });

  it('keep the last marker of a producer that has no other batch: its epoch fences', () => {
    const marked = filtered(markerWith(ControlRecordType.COMMIT))!;
    const nowMs = HORIZON_MS;
    const last = { producerId: 7, producerEpoch: 1, lastOffset: undefined };
    expect(filtered(marked, { nowMs, producers: [last] })!.count).toBe(0);
    expect(filtered(marked, { nowMs, producers: [{ ...last, producerEpoch: 2 }] })).toBeUndefined();
  });

  it('tell batches of one transaction from those of the next of the same producer', () => {
    const second: AbortedTxn = { producerId: 7, firstOffset: 30, lastOffset: 40, lastStableOffset: 41 };
    const transactions = new CleanedTransactions(withAborted(NO_TRANSACTIONS, [second, ABORTED]));
    const data = (baseOffset: number) => batchWith(['a=1'], { ...TRANSACTION, baseOffset });
    expect(transactions.onDataBatch(data(10))).toBe(true);
    expect(transactions.onControlBatch(markerWith(ControlRecordType.ABORT, 20))).toBe(false);
    expect(transactions.onDataBatch(data(22))).toBe(false);
    expect(transactions.onControlBatch(markerWith(ControlRecordType.COMMIT, 25))).toBe(false);
    expect(transactions.onDataBatch(data(30))).toBe(true);
    expect(transactions.onControlBatch(markerWith(ControlRecordType.ABORT, 40))).toBe(false);
    expect(transactions.retained).toEqual([ABORTED, second]);
  });
});
