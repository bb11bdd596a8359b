import { ByteReader, MalformedError } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import type { LeaderEpoch, Offset, ProducerId, Timestamp } from '../base/int64.ts';
import { codecOf } from '../protocol/codec.ts';
import {
  EndTxnMarker,
  KRaftVersionRecord,
  LeaderChangeMessage,
  SnapshotFooterRecord,
  SnapshotHeaderRecord,
  VotersRecord,
} from '../protocol/records/data.ts';
import type { Input, Message } from '../protocol/schema.ts';
import { RecordBatchBuilder } from './record-batch-builder.ts';

/** The ids of control records, as they stand in the key. */
export const ControlRecordType = {
  ABORT: 0,
  COMMIT: 1,
  LEADER_CHANGE: 2,
  SNAPSHOT_HEADER: 3,
  SNAPSHOT_FOOTER: 4,
  KRAFT_VERSION: 5,
  KRAFT_VOTERS: 6,
} as const;

/** What a control record says. `unknown` is of a type that came later than this broker: it is to be passed over. */
export type ControlRecord =
  | { readonly type: typeof ControlRecordType.ABORT; readonly coordinatorEpoch: number }
  | { readonly type: typeof ControlRecordType.COMMIT; readonly coordinatorEpoch: number }
  | { readonly type: typeof ControlRecordType.LEADER_CHANGE; readonly message: LeaderChangeMessage }
  | { readonly type: typeof ControlRecordType.SNAPSHOT_HEADER; readonly message: SnapshotHeaderRecord }
  | { readonly type: typeof ControlRecordType.SNAPSHOT_FOOTER; readonly message: SnapshotFooterRecord }
  | { readonly type: typeof ControlRecordType.KRAFT_VERSION; readonly message: KRaftVersionRecord }
  | { readonly type: typeof ControlRecordType.KRAFT_VOTERS; readonly message: VotersRecord }
  | { readonly type: 'unknown'; readonly typeId: number };

/** A control record to write. */
export type ControlRecordInput =
  | { readonly type: typeof ControlRecordType.ABORT; readonly coordinatorEpoch: number }
  | { readonly type: typeof ControlRecordType.COMMIT; readonly coordinatorEpoch: number }
  | {
      readonly type: typeof ControlRecordType.LEADER_CHANGE;
      readonly message: Input<typeof LeaderChangeMessage>;
    }
  | {
      readonly type: typeof ControlRecordType.SNAPSHOT_HEADER;
      readonly message: Input<typeof SnapshotHeaderRecord>;
    }
  | {
      readonly type: typeof ControlRecordType.SNAPSHOT_FOOTER;
      readonly message: Input<typeof SnapshotFooterRecord>;
    }
  | {
      readonly type: typeof ControlRecordType.KRAFT_VERSION;
      readonly message: Input<typeof KRaftVersionRecord>;
    }
  | { readonly type: typeof ControlRecordType.KRAFT_VOTERS; readonly message: Input<typeof VotersRecord> };

/** All keys and values are written in this version, as Kafka 4.3 does. */
const VERSION = 0;
const KEY_BYTES = 4;

/**
 * The type id in the key of a control record: `version int16 | type int16`. A later version may have more behind that.
 * Throws `MalformedError`.
 */
export function controlRecordTypeId(key: Buffer | null): number {
  if (key === null || key.length < KEY_BYTES) {
    throw new MalformedError(`a control record has a key of ${key?.length ?? 0} bytes`);
  }
  const version = key.readInt16BE(0);
  if (version < 0) throw new MalformedError(`a control record has a key of version ${version}`);
  return key.readInt16BE(2);
}

/** Reads a control record. Throws `MalformedError`. */
export function decodeControlRecord(record: {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}): ControlRecord {
  const type = controlRecordTypeId(record.key);
  switch (type) {
    case ControlRecordType.ABORT:
    case ControlRecordType.COMMIT:
      return { type, coordinatorEpoch: decodeEndTxnMarker(record.value) };
    case ControlRecordType.LEADER_CHANGE:
      return { type, message: decodeLeaderChange(readerOf(record.value)) };
    case ControlRecordType.SNAPSHOT_HEADER:
      return { type, message: codecOf(SnapshotHeaderRecord, VERSION).decode(readerOf(record.value)) };
    case ControlRecordType.SNAPSHOT_FOOTER:
      return { type, message: codecOf(SnapshotFooterRecord, VERSION).decode(readerOf(record.value)) };
    case ControlRecordType.KRAFT_VERSION:
      return { type, message: codecOf(KRaftVersionRecord, VERSION).decode(readerOf(record.value)) };
    case ControlRecordType.KRAFT_VOTERS:
      return { type, message: codecOf(VotersRecord, VERSION).decode(readerOf(record.value)) };
    default:
      return { type: 'unknown', typeId: type };
  }
}

function readerOf(value: Buffer | null): ByteReader {
  if (value === null) throw new MalformedError('a control record has no value');
  return new ByteReader(value);
}

/** The one message of which there is a later version; its first field says which it is. */
function decodeLeaderChange(reader: ByteReader): LeaderChangeMessage {
  if (reader.remaining < 2) throw new MalformedError('a control record has no value');
  const version = reader.buffer.readInt16BE(reader.position);
  const known = Math.min(Math.max(version, 0), LeaderChangeMessage.maxVersion);
  return codecOf(LeaderChangeMessage, known).decode(reader);
}

/** The value of a transaction marker starts with its version; those of the Raft messages carry it as a field. */
function decodeEndTxnMarker(value: Buffer | null): number {
  const reader = readerOf(value);
  const version = reader.int16();
  if (version < 0) throw new MalformedError(`a transaction marker has the version ${version}`);
  return codecOf(EndTxnMarker, VERSION).decode(reader).coordinatorEpoch;
}

/** Key and value of a control record. */
export function encodeControlRecord(record: ControlRecordInput): {
  readonly key: Buffer;
  readonly value: Buffer;
} {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(VERSION, 0);
  key.writeInt16BE(record.type, 2);
  return { key, value: encodeValue(record) };
}

function encodeValue(record: ControlRecordInput): Buffer {
  switch (record.type) {
    case ControlRecordType.ABORT:
    case ControlRecordType.COMMIT: {
      const writer = new ByteWriter(16);
      writer.int16(VERSION);
      codecOf(EndTxnMarker, VERSION).encode(writer, { coordinatorEpoch: record.coordinatorEpoch });
      return writer.concat();
    }
    case ControlRecordType.LEADER_CHANGE:
      return encodeMessage(LeaderChangeMessage, record.message);
    case ControlRecordType.SNAPSHOT_HEADER:
      return encodeMessage(SnapshotHeaderRecord, record.message);
    case ControlRecordType.SNAPSHOT_FOOTER:
      return encodeMessage(SnapshotFooterRecord, record.message);
    case ControlRecordType.KRAFT_VERSION:
      return encodeMessage(KRaftVersionRecord, record.message);
    case ControlRecordType.KRAFT_VOTERS:
      return encodeMessage(VotersRecord, record.message);
  }
}

function encodeMessage<M extends Message>(message: M, value: Input<M>): Buffer {
  const writer = new ByteWriter(128);
  codecOf(message, VERSION).encode(writer, value);
  return writer.concat();
}

export interface ControlBatchOptions {
  readonly baseOffset?: Offset;
  readonly timestamp: Timestamp;
  readonly partitionLeaderEpoch?: LeaderEpoch;
}

/** A control batch of the metadata log or of a snapshot: Raft's own records. */
export function controlBatch(records: readonly ControlRecordInput[], options: ControlBatchOptions): Buffer {
  const { timestamp, ...rest } = options;
  const builder = new RecordBatchBuilder({ ...rest, isControlBatch: true });
  for (const record of records) builder.append({ timestamp, ...encodeControlRecord(record) });
  return builder.build();
}

export interface EndTransactionMarkerOptions extends ControlBatchOptions {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly type: typeof ControlRecordType.ABORT | typeof ControlRecordType.COMMIT;
  readonly coordinatorEpoch: number;
}

/** The batch that ends a producer's transaction in one partition. */
export function endTransactionMarkerBatch(options: EndTransactionMarkerOptions): Buffer {
  const { timestamp, type, coordinatorEpoch, ...rest } = options;
  const builder = new RecordBatchBuilder({ ...rest, isControlBatch: true, isTransactional: true }, 128);
  return builder.append({ timestamp, ...encodeControlRecord({ type, coordinatorEpoch }) }).build();
}
