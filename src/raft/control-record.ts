import { MalformedError } from '../base/byte-reader.ts';
import type { Timestamp } from '../base/int64.ts';
import type { VotersRecord } from '../protocol/records/data.ts';
import {
  type ControlRecordInput,
  ControlRecordType,
  decodeControlRecord as decodeRecord,
} from '../record/control-records.ts';
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

/** What is written for a control record. */
export function controlRecordInput(record: ControlRecord): ControlRecordInput {
  switch (record.type) {
    case 'leaderChange':
      return {
        type: ControlRecordType.LEADER_CHANGE,
        message: {
          leaderId: record.leaderId,
          voters: record.voters.map(voterId => ({ voterId })),
          grantingVoters: record.grantingVoters.map(voterId => ({ voterId })),
        },
      };
    case 'snapshotHeader': {
      const { lastContainedLogTimestamp } = record;
      return { type: ControlRecordType.SNAPSHOT_HEADER, message: { lastContainedLogTimestamp } };
    }
    case 'snapshotFooter':
      return { type: ControlRecordType.SNAPSHOT_FOOTER, message: {} };
    case 'kraftVersion':
      return { type: ControlRecordType.KRAFT_VERSION, message: { kRaftVersion: record.level } };
    case 'voters':
      return {
        type: ControlRecordType.KRAFT_VOTERS,
        message: {
          voters: record.voters.voters.map(voter => ({
            voterId: voter.id,
            voterDirectoryId: voter.directoryId,
            endpoints: voter.endpoints.map(endpoint => ({ ...endpoint })),
            kRaftVersionFeature: {
              minSupportedVersion: voter.minKRaftVersion,
              maxSupportedVersion: voter.maxKRaftVersion,
            },
          })),
        },
      };
    case 'unknown':
      throw new RangeError('a control record of an unknown type cannot be written');
  }
}

/** Throws `MalformedError`. The metadata log has no use for the markers of transactions: they count as unknown. */
export function decodeControlRecord(key: Buffer | null, value: Buffer | null): ControlRecord {
  const record = decodeRecord({ key, value });
  switch (record.type) {
    case ControlRecordType.LEADER_CHANGE: {
      const { leaderId, voters, grantingVoters } = record.message;
      return {
        type: 'leaderChange',
        leaderId,
        voters: voters.map(voter => voter.voterId),
        grantingVoters: grantingVoters.map(voter => voter.voterId),
      };
    }
    case ControlRecordType.SNAPSHOT_HEADER: {
      const { lastContainedLogTimestamp } = record.message;
      return { type: 'snapshotHeader', lastContainedLogTimestamp };
    }
    case ControlRecordType.SNAPSHOT_FOOTER:
      return { type: 'snapshotFooter' };
    case ControlRecordType.KRAFT_VERSION:
      return { type: 'kraftVersion', level: record.message.kRaftVersion };
    case ControlRecordType.KRAFT_VOTERS:
      return { type: 'voters', voters: decodeVoters(record.message) };
    case 'unknown':
      return record;
    default:
      return { type: 'unknown', typeId: record.type };
  }
}

function decodeVoters({ voters }: VotersRecord): VoterSet {
  if (new Set(voters.map(voter => voter.voterId)).size < voters.length) {
    throw new MalformedError('a record of the voters names one twice');
  }
  return new VoterSet(
    voters.map(voter => ({
      id: voter.voterId,
      directoryId: voter.voterDirectoryId,
      endpoints: voter.endpoints,
      minKRaftVersion: voter.kRaftVersionFeature.minSupportedVersion,
      maxKRaftVersion: voter.kRaftVersionFeature.maxSupportedVersion,
    })),
  );
}
