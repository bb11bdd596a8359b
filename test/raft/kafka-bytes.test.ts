import { describe, expect, it } from 'vitest';
import { diff64 } from '../../src/base/int64.ts';
import {
  bufferSnapshot,
  encodeSnapshot,
  readSnapshotHeader,
  snapshotBatches,
} from '../../src/raft/snapshot-file.ts';
import { decodeBatch, encodeControlBatch } from '../../src/raft/raft-batch.ts';
import { formatElectionState, parseElectionState } from '../../src/raft/quorum-state-store.ts';
import { VoterSet, voterNode } from '../../src/raft/voter-set.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { DYNAMIC_FIRST_BATCH, FORMATTED_CHECKPOINT, STATIC_FIRST_BATCH } from './support/kafka-bytes.ts';

const DIRECTORY = 'LBZNBVmqTZWO3bA5eT8ptQ';

describe('the bytes that Apache Kafka writes', () => {
  for (const [name, bytes] of [
    ['dynamic', DYNAMIC_FIRST_BATCH],
    ['static', STATIC_FIRST_BATCH],
  ] as const) {
    it(`at the start of the log of a ${name} quorum come out of our encoder too`, () => {
      const batch = decodeBatch(new RecordBatch(bytes, 0));
      expect(batch.controlRecords[0]).toEqual({
        type: 'leaderChange',
        leaderId: 1,
        voters: [1],
        grantingVoters: [1],
      });
      const position = { baseOffset: 0, epoch: 1, timestamp: batch.appendTimestamp };
      expect(encodeControlBatch(batch.controlRecords, position).toString('hex')).toBe(bytes.toString('hex'));
    });
  }

  it('in a formatted snapshot name the voters, and come out of our encoder too', () => {
    const header = readSnapshotHeader(bufferSnapshot(FORMATTED_CHECKPOINT));
    expect(header.kraftVersion).toBe(1);
    expect(header.voters?.get(1)).toEqual(
      voterNode(1, DIRECTORY, [{ name: 'CONTROLLER', host: 'localhost', port: 19093 }]),
    );
    const times = [...snapshotBatches(bufferSnapshot(FORMATTED_CHECKPOINT))].map(
      batch => batch.appendTimestamp,
    );
    expect(times).toHaveLength(2);
    const ours = encodeSnapshot(0, header, [], () => Number(times.shift()));
    // The one difference: Kafka made the header record some time before it closed the batch.
    const theirBase = new RecordBatch(FORMATTED_CHECKPOINT, 0).baseTimestamp;
    const ourBatch = new RecordBatch(ours, 0);
    expect(diff64(theirBase, ourBatch.baseTimestamp)).toBe(0);
    expect(ours.toString('hex')).toBe(FORMATTED_CHECKPOINT.toString('hex'));
  });
});

describe('the quorum-state file', () => {
  const voters = VoterSet.ofIds([1]);

  it('of version 1 is what Kafka writes', () => {
    const text =
      '{"leaderId":1,"leaderEpoch":2,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}';
    const election = { epoch: 2, leaderId: 1, votedKey: undefined };
    expect(parseElectionState(text)).toEqual(election);
    expect(formatElectionState(election, 1, voters)).toBe(text);
  });

  it('of version 0 is what Kafka writes', () => {
    const text =
      '{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}';
    const election = { epoch: 2, leaderId: 1, votedKey: undefined };
    expect(parseElectionState(text)).toEqual(election);
    expect(formatElectionState(election, 0, voters)).toBe(text);
  });

  it('keeps the directory id of a vote', () => {
    const election = { epoch: 9, leaderId: undefined, votedKey: { id: 3, directoryId: DIRECTORY } };
    expect(parseElectionState(formatElectionState(election, 1, voters))).toEqual(election);
  });

  it.each([
    ['', 'nothing'],
    ['{"leaderId":1', 'half of it'],
    ['[]', 'no object'],
    ['{"leaderId":1,"leaderEpoch":2,"votedId":-1,"data_version":7}', 'an unknown version'],
    ['{"leaderId":1,"leaderEpoch":-2,"votedId":-1,"data_version":0}', 'a negative epoch'],
    [
      '{"leaderId":1,"leaderEpoch":2,"votedId":1,"votedDirectoryId":"x","data_version":1}',
      'a directory id that is none',
    ],
  ])('is refused where it holds %j: %s', text => {
    expect(() => parseElectionState(text)).toThrow();
  });
});
