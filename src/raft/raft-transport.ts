import type { RaftMessage } from './raft-message.ts';

/**
 * Carries messages to other replicas. A node with one voter never uses it. Nothing is promised: a message may
 * be lost, and the core repeats requests whose answer does not come; where a failure is known,
 * `RaftDriver.requestFailed` makes that quicker.
 */
export interface RaftTransport {
  /** `records`: the bytes that go with a FetchResponse. Never fails visibly. */
  send(message: RaftMessage, records: Buffer | undefined): void;
}

/** For a quorum of one. */
export const noTransport: RaftTransport = { send() {} };
