import type { Offset } from '../base/int64.ts';
import { Errors } from '../protocol/errors.ts';
import type { ControlRecord } from './control-record.ts';
import type { LeaderState } from './leader-state.ts';
import type { VoterSetAtOffset } from './log-summary.ts';
import type { RaftEvent } from './ready.ts';
import { type ReplicaKey, sameReplica, type VoterNode, type VoterSet } from './voter-set.ts';

/** What asks for other voters, or for other words on them. */
export type VoterChange = Extract<
  RaftEvent,
  { type: 'addVoter' | 'removeVoter' | 'updateVoter' | 'upgradeVoters' }
>;

/** What a replica knows when it is asked for a change. */
export interface VoterChangeContext {
  readonly self: ReplicaKey;
  /** `undefined` where this replica does not lead. */
  readonly leader: LeaderState | undefined;
  readonly highWatermark: Offset | undefined;
  /** The newest in the log, committed or not. */
  readonly current: VoterSetAtOffset;
}

/** The records that make the change, or Kafka's error code where it cannot be made (now). One voter at a time (M9). */
export function planVoterChange(
  change: VoterChange,
  context: VoterChangeContext,
): readonly ControlRecord[] | number {
  const { leader } = context;
  if (leader === undefined) return Errors.NOT_LEADER_OR_FOLLOWER;
  if (change.type === 'upgradeVoters')
    return planUpgrade(change.voters, change.kraftVersion, leader, context);
  if (context.current.kraftVersion < 1) return Errors.UNSUPPORTED_VERSION;
  if (!ownsItsEpoch(leader, context)) return Errors.REQUEST_TIMED_OUT;
  if (context.current.offset >= (context.highWatermark ?? -1)) return Errors.REQUEST_TIMED_OUT;
  switch (change.type) {
    case 'addVoter':
      return planAddition(change.voter, leader, context);
    case 'removeVoter':
      return planRemoval(change.voter, context);
    case 'updateVoter':
      return planUpdate(change.voter, context);
  }
}

/** Before the epoch's own start is committed, an uncommitted change of an earlier leader could still count. */
function ownsItsEpoch(leader: LeaderState, { highWatermark }: VoterChangeContext): boolean {
  return (highWatermark ?? -1) > leader.epochStartOffset;
}

function planAddition(
  voter: VoterNode,
  leader: LeaderState,
  { current: { voters } }: VoterChangeContext,
): readonly ControlRecord[] | number {
  if (voters.get(voter.id) !== undefined) return Errors.DUPLICATE_VOTER;
  const progress = leader.progress(voter.id);
  // A voter that is far behind would hold up every commit: it has to have reached this epoch first.
  if (progress === undefined || !sameReplica(progress.key, voter)) return Errors.REQUEST_TIMED_OUT;
  if (progress.fetchOffset <= leader.epochStartOffset) return Errors.REQUEST_TIMED_OUT;
  return [{ type: 'voters', voters: voters.with(voter) }];
}

function planRemoval(
  key: ReplicaKey,
  { current: { voters } }: VoterChangeContext,
): readonly ControlRecord[] | number {
  const voter = voters.get(key.id);
  if (voter === undefined || !sameReplica(voter, key)) return Errors.VOTER_NOT_FOUND;
  if (voters.size === 1) return Errors.INVALID_REQUEST;
  return [{ type: 'voters', voters: voters.without(key.id) }];
}

/** A voter's own endpoints or versions have changed. */
function planUpdate(
  voter: VoterNode,
  { current: { voters, kraftVersion } }: VoterChangeContext,
): readonly ControlRecord[] | number {
  if (!voters.has(voter)) return Errors.VOTER_NOT_FOUND;
  if (kraftVersion < voter.minKRaftVersion || kraftVersion > voter.maxKRaftVersion) {
    return Errors.INVALID_REQUEST;
  }
  return [{ type: 'voters', voters: voters.without(voter.id).with(voter) }];
}

/** Voters of the configuration become records, the same ones. */
function planUpgrade(
  voters: VoterSet,
  kraftVersion: number,
  leader: LeaderState,
  context: VoterChangeContext,
): readonly ControlRecord[] | number {
  const { current, self } = context;
  if (current.kraftVersion >= kraftVersion) return Errors.INVALID_UPDATE_VERSION;
  if (!ownsItsEpoch(leader, context)) return Errors.REQUEST_TIMED_OUT;
  if (voters.ids.join() !== current.voters.ids.join() || !voters.has(self)) return Errors.INVALID_REQUEST;
  return [
    { type: 'kraftVersion', level: kraftVersion },
    { type: 'voters', voters },
  ];
}
