import type { Disk } from '../runtime/runtime.ts';
import { isUuid, ZERO_UUID } from '../base/uuid.ts';
import type { ElectionState } from './quorum-state.ts';
import type { VoterSet } from './voter-set.ts';

/** Keeps the election state over restarts. */
export interface QuorumStateStore {
  /** `undefined` if nothing was ever written. */
  read(): ElectionState | undefined;
  /** Durable when it returns. */
  write(election: ElectionState, kraftVersion: number, voters: VoterSet): void;
}

/**
 * The file `quorum-state` beside the metadata log: one line of JSON, `data_version` last. With
 * `kraft.version` 0 it is version 0, which names the voters and has no directory id of the vote; else version
 * 1:
 *
 *
 * {"leaderId":1,"leaderEpoch":7,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}
 */
export class FileQuorumStateStore implements QuorumStateStore {
  private readonly disk: Disk;
  private readonly path: string;

  constructor(disk: Disk, path: string) {
    this.disk = disk;
    this.path = path;
  }

  /** Throws an `Error` that names the file if it cannot be understood: to guess would be to vote twice. */
  read(): ElectionState | undefined {
    if (this.disk.statSync(this.path) === undefined) return undefined;
    const text = this.disk.readFileSync(this.path).toString('utf8');
    try {
      return parseElectionState(text);
    } catch (error) {
      throw new Error(`${this.path} is damaged: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  write(election: ElectionState, kraftVersion: number, voters: VoterSet): void {
    this.disk.replaceFileSync(
      this.path,
      Buffer.from(formatElectionState(election, kraftVersion, voters), 'utf8'),
    );
  }
}

export function formatElectionState(election: ElectionState, kraftVersion: number, voters: VoterSet): string {
  const leaderId = election.leaderId ?? -1;
  const votedId = election.votedKey?.id ?? -1;
  const leaderEpoch = election.epoch;
  if (kraftVersion === 0) {
    const currentVoters = voters.ids.map(voterId => ({ voterId }));
    return JSON.stringify({
      clusterId: '',
      leaderId,
      leaderEpoch,
      votedId,
      appliedOffset: 0,
      currentVoters,
      data_version: 0,
    });
  }
  const votedDirectoryId = election.votedKey?.directoryId ?? ZERO_UUID;
  return JSON.stringify({ leaderId, leaderEpoch, votedId, votedDirectoryId, data_version: 1 });
}

export function parseElectionState(text: string): ElectionState {
  const data: unknown = JSON.parse(text);
  if (typeof data !== 'object' || data === null) throw new Error('it holds no JSON object');
  const fields = new Map(Object.entries(data));
  const version = fields.get('data_version');
  if (version !== 0 && version !== 1) throw new Error(`data_version ${String(version)} is not known`);
  const number = (name: string, min: number): number => {
    const value = fields.get(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min) {
      throw new Error(`${name} is ${JSON.stringify(value)}`);
    }
    return value;
  };
  const leaderId = number('leaderId', -1);
  const votedId = number('votedId', -1);
  const votedDirectoryId = version === 0 ? ZERO_UUID : fields.get('votedDirectoryId');
  if (typeof votedDirectoryId !== 'string' || !isUuid(votedDirectoryId)) {
    throw new Error(`votedDirectoryId is ${JSON.stringify(votedDirectoryId)}`);
  }
  return {
    epoch: number('leaderEpoch', 0),
    leaderId: leaderId < 0 ? undefined : leaderId,
    votedKey: votedId < 0 ? undefined : { id: votedId, directoryId: votedDirectoryId },
  };
}
