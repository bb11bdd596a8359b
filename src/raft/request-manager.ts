interface InFlight {
  readonly correlationId: number;
  readonly deadlineMs: number;
}

/** At most one request at a time to each peer, with a timeout, and a pause after a failure. */
export class RequestManager {
  private readonly requestTimeoutMs: number;
  private readonly retryBackoffMs: number;
  private readonly inFlight = new Map<number, InFlight>();
  private readonly pausedUntilMs = new Map<number, number>();
  private nextCorrelationId: number;

  constructor(requestTimeoutMs: number, retryBackoffMs: number, firstCorrelationId: number) {
    this.requestTimeoutMs = requestTimeoutMs;
    this.retryBackoffMs = retryBackoffMs;
    this.nextCorrelationId = firstCorrelationId;
  }

  isReady(peer: number, nowMs: number): boolean {
    return !this.inFlight.has(peer) && (this.pausedUntilMs.get(peer) ?? 0) <= nowMs;
  }

  /** Notes a request to `peer` and returns its correlation id. */
  send(peer: number, nowMs: number): number {
    const correlationId = this.nextCorrelationId;
    this.nextCorrelationId = (correlationId + 1) & 0x7fff_ffff;
    this.inFlight.set(peer, { correlationId, deadlineMs: nowMs + this.requestTimeoutMs });
    this.pausedUntilMs.delete(peer);
    return correlationId;
  }

  /** Whether the response is to the request in flight. */
  complete(peer: number, correlationId: number): boolean {
    if (this.inFlight.get(peer)?.correlationId !== correlationId) return false;
    this.inFlight.delete(peer);
    return true;
  }

  pause(peer: number, nowMs: number): void {
    this.inFlight.delete(peer);
    this.pausedUntilMs.set(peer, nowMs + this.retryBackoffMs);
  }

  /** Gives up on requests whose time is over. */
  expire(nowMs: number): void {
    for (const [peer, { deadlineMs }] of this.inFlight) if (deadlineMs <= nowMs) this.inFlight.delete(peer);
  }

  /** A new role has other things to say: what is in flight no longer matters. */
  reset(): void {
    this.inFlight.clear();
    this.pausedUntilMs.clear();
  }

  /** When something can be sent to `peer` again, if nothing else happens. */
  readyAtMs(peer: number): number {
    return this.inFlight.get(peer)?.deadlineMs ?? this.pausedUntilMs.get(peer) ?? 0;
  }
}
