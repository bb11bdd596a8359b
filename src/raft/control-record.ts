import { ByteReader, MalformedError } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import type { Timestamp } from '../base/int64.ts';
import { codecOf } from '../protocol/codec.ts';
import {
  KRaftVersionRecord,
  LeaderChangeMessage,
  SnapshotFooterRecord,
  SnapshotHeaderRecord,
  VotersRecord,
} from '../protocol/records/data.ts';
import { VoterSet } from './voter-set.ts';

/** What the Raft layer itself writes into the metadata log and into snapshots. */
export type ControlRecord =
  | {
      readonly type: 'leaderChange';
      readonly leaderId: number;
      readonly voters: readonly number[];
      readonly grantingVoters: readonly number[];
    }
  | { readonly type: 'snapshotHeader'; readonly lastContainedLogTimestamp: Timestamp }
  | { readonly type: 'snapshotFooter' }
  | { readonly type: 'kraftVersion'; readonly level: number }
  | { readonly type: 'voters'; readonly voters: VoterSet }
  /** A type that this version does not know. It has an offset and no effect. */
  | { readonly type: 'unknown'; readonly typeId: number };

/** The type number in the key of a control record: int16 version 0, int16 type. */
const TypeId = {
  leaderChange: 2,
  snapshotHeader: 3,
  snapshotFooter: 4,
  kraftVersion: 5,
  voters: 6,
} as const;

/**
 * All value schemas are at version 0, as Kafka 4.3 writes them; each value repeats its version in its first
 * field.
 */
const VERSION = 0;

export function encodeControlRecord(record: ControlRecord): { key: Buffer; value: Buffer } {
  if (record.type === 'unknown')
    throw new RangeError('a control record of an unknown type cannot be written');
  const key = Buffer.alloc(4);
  key.writeInt16BE(TypeId[record.type], 2);
  const writer = new ByteWriter(64);
  switch (record.type) {
    case 'leaderChange':
      codecOf(LeaderChangeMessage, VERSION).encode(writer, {
        version: VERSION,
        leaderId: record.leaderId,
        voters: record.voters.map(voterId => ({ voterId })),
        grantingVoters: record.grantingVoters.map(voterId => ({ voterId })),
      });
      break;
    case 'snapshotHeader':
      codecOf(SnapshotHeaderRecord, VERSION).encode(writer, {
        version: VERSION,
        lastContainedLogTimestamp: record.lastContainedLogTimestamp,
      });
      break;
    case 'snapshotFooter':
      codecOf(SnapshotFooterRecord, VERSION).encode(writer, { version: VERSION });
      break;
    case 'kraftVersion':
      codecOf(KRaftVersionRecord, VERSION).encode(writer, { version: VERSION, kRaftVersion: record.level });
      break;
    case 'voters':
      codecOf(VotersRecord, VERSION).encode(writer, {
        version: VERSION,
        voters: record.voters.voters.map(voter => ({
          voterId: voter.id,
          voterDirectoryId: voter.directoryId,
          endpoints: voter.endpoints.map(endpoint => ({ ...endpoint })),
          kRaftVersionFeature: {
            minSupportedVersion: voter.minKRaftVersion,
            maxSupportedVersion: voter.maxKRaftVersion,
          },
        })),
      });
      break;
  }
  return { key, value: writer.concat() };
}

/** Throws `MalformedError`. */
export function decodeControlRecord(key: Buffer | null, value: Buffer | null): ControlRecord {
  if (key === null || key.length < 4) throw new MalformedError('a control record has no type');
  const typeId = key.readInt16BE(2);
  const reader = new ByteReader(value ?? Buffer.alloc(0));
  switch (typeId) {
    case TypeId.leaderChange: {
      const message = codecOf(
        LeaderChangeMessage,
        schemaVersion(reader, LeaderChangeMessage.maxVersion),
      ).decode(reader);
      return {
        type: 'leaderChange',
        leaderId: message.leaderId,
        voters: message.voters.map(voter => voter.voterId),
        grantingVoters: message.grantingVoters.map(voter => voter.voterId),
      };
    }
    case TypeId.snapshotHeader: {
      const header = codecOf(SnapshotHeaderRecord, VERSION).decode(reader);
      return { type: 'snapshotHeader', lastContainedLogTimestamp: header.lastContainedLogTimestamp };
    }
    case TypeId.snapshotFooter:
      return { type: 'snapshotFooter' };
    case TypeId.kraftVersion:
      return {
        type: 'kraftVersion',
        level: codecOf(KRaftVersionRecord, VERSION).decode(reader).kRaftVersion,
      };
    case TypeId.voters: {
      const { voters } = codecOf(VotersRecord, VERSION).decode(reader);
      return {
        type: 'voters',
        voters: new VoterSet(
          voters.map(voter => ({
            id: voter.voterId,
            directoryId: voter.voterDirectoryId,
            endpoints: voter.endpoints,
            minKRaftVersion: voter.kRaftVersionFeature.minSupportedVersion,
            maxKRaftVersion: voter.kRaftVersionFeature.maxSupportedVersion,
          })),
        ),
      };
    }
    default:
      return { type: 'unknown', typeId };
  }
}

/** The version of a value, from its first field. */
function schemaVersion(reader: ByteReader, max: number): number {
  if (reader.remaining < 2) throw new MalformedError('a control record has no value');
  return Math.min(Math.max(reader.buffer.readInt16BE(reader.position), 0), max);
}
