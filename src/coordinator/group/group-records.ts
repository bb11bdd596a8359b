import { ByteReader } from '../../base/byte-reader.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { codecOf } from '../../protocol/codec.ts';
import {
  GroupMetadataKey,
  GroupMetadataValue,
  LegacyOffsetCommitKey,
  LegacyOffsetCommitValue,
  OffsetCommitKey,
  OffsetCommitValue,
} from '../../protocol/records/group-records.ts';
import type { CoordinatorRecordSerde, SerializedRecord } from '../runtime/coordinator-shard.ts';
import { decodeValue, encodeKey, encodeValue } from '../runtime/record-codec.ts';

/** A committed offset; a null value removes it. */
export interface OffsetCommitRecord {
  readonly type: 'offset-commit';
  readonly key: OffsetCommitKey;
  readonly value: OffsetCommitValue | null;
}

/** A classic group with its members; a null value removes it. */
export interface GroupMetadataRecord {
  readonly type: 'group-metadata';
  readonly key: GroupMetadataKey;
  readonly value: GroupMetadataValue | null;
}

/** The records of `__consumer_offsets` that the group coordinator keeps. */
export type GroupRecord = OffsetCommitRecord | GroupMetadataRecord;

/** The version that Kafka 4.3 writes. */
const GROUP_METADATA_VALUE_VERSION = 3;
const OFFSET_COMMIT_VALUE_VERSION = 4;
/** The only version that has an expiry of its own: a client of OffsetCommit v2-v4 asked for a retention time. */
const EXPIRING_OFFSET_COMMIT_VALUE_VERSION = 1;

/**
 *     key:   type int16 (0, 1: committed offset; 2: classic group) | fields
 *     value: version int16 | fields, or null
 *
 * Other types belong to the groups of the consumer, share and streams protocols, which a later coordinator (or Apache
 * Kafka) has written: they are skipped.
 */
export const groupRecordSerde: CoordinatorRecordSerde<GroupRecord> = {
  serialize(record: GroupRecord): SerializedRecord {
    if (record.type === 'group-metadata') {
      return {
        key: encodeKey(GroupMetadataKey, record.key),
        value: record.value && encodeValue(GroupMetadataValue, GROUP_METADATA_VALUE_VERSION, record.value),
      };
    }
    const { key, value } = record;
    const version =
      value !== null && value.expireTimestamp !== -1
        ? EXPIRING_OFFSET_COMMIT_VALUE_VERSION
        : OFFSET_COMMIT_VALUE_VERSION;
    return {
      key: encodeKey(OffsetCommitKey, key),
      value: value && encodeValue(OffsetCommitValue, version, value),
    };
  },

  deserialize(key: Buffer, value: Buffer | null): GroupRecord | undefined {
    const keyReader = new ByteReader(key);
    const type = keyReader.int16();
    switch (type) {
      case LegacyOffsetCommitKey.apiKey: {
        const legacy = value && decodeValue(LegacyOffsetCommitValue, value);
        return {
          type: 'offset-commit',
          key: codecOf(OffsetCommitKey, 0).decode(keyReader),
          value: legacy && { ...EMPTY_OFFSET, ...legacy },
        };
      }
      case OffsetCommitKey.apiKey:
        return {
          type: 'offset-commit',
          key: codecOf(OffsetCommitKey, 0).decode(keyReader),
          value: value && decodeValue(OffsetCommitValue, value),
        };
      case GroupMetadataKey.apiKey:
        return {
          type: 'group-metadata',
          key: codecOf(GroupMetadataKey, 0).decode(keyReader),
          value: value && decodeValue(GroupMetadataValue, value),
        };
      default:
        return undefined;
    }
  },
};

const EMPTY_OFFSET = { leaderEpoch: -1, expireTimestamp: -1, topicId: ZERO_UUID };
