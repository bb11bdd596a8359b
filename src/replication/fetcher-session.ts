import { NO_SESSION } from './fetch-session.ts';

/** The largest epoch of a session; 1 comes after it. */
const EPOCH_MAX = 0x7fff_ffff;

/**
 * The client's half of a fetch session (KIP-227): which partitions the leader knows already, and so need not be named.
 *
 * ```text
 *            answer with a session          answer
 *  full ─────────────────────────► incremental ──┐
 *   ▲  ▲                               │    ▲    │
 *   │  └── answer without one          │    └────┘
 *   └──────── error, or none ──────────┘
 * ```
 */
export class FetcherSession {
  private sessionId = NO_SESSION;
  private sessionEpoch = 0;

  get id(): number {
    return this.sessionId;
  }

  get epoch(): number {
    return this.sessionEpoch;
  }

  /** The next request has to name every partition. */
  get isFull(): boolean {
    return this.sessionEpoch === 0;
  }

  onAnswer(sessionId: number): void {
    if (this.isFull || sessionId === NO_SESSION) {
      this.sessionId = sessionId;
      this.sessionEpoch = sessionId === NO_SESSION ? 0 : 1;
    } else {
      this.sessionEpoch = this.sessionEpoch === EPOCH_MAX ? 1 : this.sessionEpoch + 1;
    }
  }

  /** Nobody knows what the leader has of the last request. A full fetch ends the session that it may still have. */
  reset(): void {
    this.sessionEpoch = 0;
  }

  /** The leader has no such session. */
  forget(): void {
    this.sessionId = NO_SESSION;
    this.sessionEpoch = 0;
  }
}
