import type { Socket, Timer, Timers } from '../runtime/runtime.ts';
import type { ConnectionRates } from './quotas/connection-rates.ts';

/** What becomes of a connection. One of them is called once, unless the acceptor is closed before. */
export interface AcceptorTarget {
  /** It is let in. */
  open(socket: Socket): void;
  /** It is gone, by itself or because its address has made too many. */
  dropped(socket: Socket): void;
}

/**
 * Lets the connections of one endpoint in as fast as they may come (KIP-612).
 *
 * ```text
 *             too fast for node or listener          too fast for its address
 *  accepted ───────────────────────────────► waits ──────────────────────────► held, then closed
 *     │                                        │ (in order)
 *     └────────────────► open ◄────────────────┘
 * ```
 *
 * What waits or is held is not read. A client whose connection is held for a moment before it is closed comes back
 * later than one that is turned away at once.
 */
export class ConnectionAcceptor {
  private readonly timers: Timers;
  private readonly rates: ConnectionRates;
  private readonly listenerName: string;
  private readonly target: AcceptorTarget;
  /** In the order in which they came; the first waits for {@link timer}. */
  private readonly waiting = new Set<Socket>();
  private readonly held = new Map<Socket, Timer>();
  private timer: Timer | undefined;

  constructor(timers: Timers, rates: ConnectionRates, listenerName: string, target: AcceptorTarget) {
    this.timers = timers;
    this.rates = rates;
    this.listenerName = listenerName;
    this.target = target;
  }

  accept(socket: Socket): void {
    if (this.timer === undefined) {
      if (!this.rates.isEnabled) {
        this.target.open(socket);
        return;
      }
      const delayMs = this.rates.recordAndGetDelayMs(this.listenerName);
      if (delayMs <= 0) {
        this.letIn(socket, false);
        return;
      }
      this.resumeAfter(delayMs);
    }
    this.waiting.add(socket);
    this.pause(socket, () => this.waiting.delete(socket));
  }

  /** Closes what is not open yet. */
  close(): void {
    this.timer?.cancel();
    for (const timer of this.held.values()) timer.cancel();
    for (const socket of [...this.waiting, ...this.held.keys()]) socket.destroy();
  }

  private resumeAfter(delayMs: number): void {
    this.timer = this.timers.after(delayMs, () => {
      this.timer = undefined;
      // The first has waited for what it was counted for; a connection that has gone was counted all the same.
      let isCounted = true;
      for (const socket of this.waiting) {
        const furtherMs = isCounted ? 0 : this.rates.recordAndGetDelayMs(this.listenerName);
        if (furtherMs > 0) {
          this.resumeAfter(furtherMs);
          return;
        }
        isCounted = false;
        this.waiting.delete(socket);
        this.letIn(socket, true);
      }
    });
  }

  private letIn(socket: Socket, isPaused: boolean): void {
    const throttleMs = this.rates.recordIpAndGetThrottleMs(this.listenerName, socket.remoteAddress);
    if (throttleMs <= 0) {
      if (isPaused) socket.resume();
      this.target.open(socket);
      return;
    }
    const timer = this.timers.after(throttleMs, () => socket.destroy());
    this.held.set(socket, timer);
    this.pause(socket, () => {
      timer.cancel();
      this.held.delete(socket);
    });
  }

  private pause(socket: Socket, onGone: () => void): void {
    socket.pause();
    socket.setHandlers({
      onData() {},
      onDrain() {},
      onClose: () => {
        onGone();
        this.target.dropped(socket);
      },
    });
  }
}
