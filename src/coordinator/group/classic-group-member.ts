import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Input } from '../../protocol/schema.ts';

export type JoinGroupAnswer = Input<typeof JoinGroupResponse>;
export type SyncGroupAnswer = Input<typeof SyncGroupResponse>;
export type Respond<Answer> = (answer: Answer) => void;

/** One of the protocols (assignment strategies) that a member supports, with what it wants to tell the leader. */
export type MemberProtocol = JoinGroupRequest['protocols'][number];

/** What a member is made of. Times in ms. */
export interface ClassicGroupMemberFields {
  readonly memberId: string;
  /** `null` for a dynamic member. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocolType: string;
  /** The one it likes best comes first. */
  readonly protocols: readonly MemberProtocol[];
  readonly assignment?: Buffer;
}

export const EMPTY_BYTES: Buffer = Buffer.alloc(0);

/**
 * A member of a classic group: a client that has joined, or is joining, under the member id that the coordinator gave
 * it. A static member also has a group instance id of its own choice, under which it comes back with a new member id.
 */
export class ClassicGroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Buffer;
  /** It has never finished a join: nobody waits for its heartbeats yet, and its first join can expire. */
  isNew = false;
  /** Its JoinGroup waits for the others. Set through `ClassicGroup` only, which counts them. */
  awaitingJoin: Respond<JoinGroupAnswer> | undefined;
  /** Its SyncGroup waits for the leader's. */
  awaitingSync: Respond<SyncGroupAnswer> | undefined;

  constructor(fields: ClassicGroupMemberFields) {
    this.memberId = fields.memberId;
    this.groupInstanceId = fields.groupInstanceId;
    this.clientId = fields.clientId;
    this.clientHost = fields.clientHost;
    this.rebalanceTimeoutMs = fields.rebalanceTimeoutMs;
    this.sessionTimeoutMs = fields.sessionTimeoutMs;
    this.protocolType = fields.protocolType;
    this.protocols = copyProtocols(fields.protocols);
    this.assignment = fields.assignment === undefined ? EMPTY_BYTES : Buffer.from(fields.assignment);
  }

  get isStatic(): boolean {
    return this.groupInstanceId !== null;
  }

  /** Whether it needs no heartbeat now: it waits for an answer, which sends one as good as that. */
  get hasSatisfiedHeartbeat(): boolean {
    return !this.isNew && (this.awaitingJoin !== undefined || this.awaitingSync !== undefined);
  }

  /** Whether `protocols` are those it has, in the same order and with the same metadata. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((protocol, i) => {
        const own = this.protocols[i]!;
        return protocol.name === own.name && protocol.metadata.equals(own.metadata);
      })
    );
  }

  /** The metadata of its protocol `name`; empty if it has none of that name. */
  metadata(name: string | undefined): Buffer {
    return this.protocols.find(protocol => protocol.name === name)?.metadata ?? EMPTY_BYTES;
  }

  /** The protocol among `candidates` that it likes best. */
  vote(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find(protocol => candidates.has(protocol.name))?.name;
  }

  setProtocols(protocols: readonly MemberProtocol[]): void {
    this.protocols = copyProtocols(protocols);
  }
}

/** Requests are views of the received frame, which a member would keep alive. */
function copyProtocols(protocols: readonly MemberProtocol[]): MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }));
}
