import type { LimitedLogger } from '../base/logger.ts';
import { FrameDecoder, FrameError } from '../protocol/frame-decoder.ts';
import type { Runtime, Socket, Timer } from '../runtime/runtime.ts';
import type { Outcome, Peer, RequestRouter, RoutedContext, RoutedRequest } from './request-router.ts';
import { UnanswerableRequestError } from './request-codec.ts';

/** What connections of one endpoint share. */
export interface ConnectionOwner {
  readonly router: RequestRouter;
  readonly logger: LimitedLogger;
  readonly options: ConnectionOptions;
  /** While false, connections are taken and wait: the broker is starting. Then {@link Connection.serve} is called. */
  readonly isServing: boolean;
  onClosed(connection: Connection): void;
}

export interface ConnectionOptions {
  /** `socket.request.max.bytes`, or less before authentication. */
  readonly maxFrameBytes: number;
  /** `connections.max.idle.ms`; negative for no limit. */
  readonly maxIdleMs: number;
}

/** What is known of a peer when it connects. */
export type ConnectionPeer = Pick<
  Peer,
  'listenerName' | 'listenerKind' | 'clientAddress' | 'localAddress' | 'connectionId'
>;

/** Requests of one connection that have started and not been answered. Clients send 5 at a time, librdkafka more. */
const IN_FLIGHT_MAX = 128;
/** Frames that started requests still refer to. One request may always start. */
const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** While this many bytes of answers wait for the peer to read, no request starts and nothing is read. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** A run of requests leaves the loop to others after this long. */
const TURN_MS = 10;
/** A frame that has begun must be whole after this time plus 1 ms for each byte received of it (1 kB/s). */
const PARTIAL_FRAME_MS = 30_000;
/** After the last answer a peer has this long to read it and go. */
const CLOSING_MS = 5_000;

/** A request in flight, in the order in which answers leave. */
interface Exchange {
  outcome: Outcome | undefined;
  readonly context: RoutedContext;
  readonly frameBytes: number;
  readonly largeAnswers: boolean;
}

/**
 * The life of one connection.
 *
 * ```text
 *  open ──frame──► request started ──► answered ──► written ──► open
 *   │ bad frame, API, version, body        │ no answer possible
 *   └──────────────► closing ◄─────────────┘        (earlier requests are still answered)
 *                       │ answers written, peer gone, or too late
 *                       ▼
 *                     closed
 * ```
 *
 * Requests start in the order of their frames, each as soon as the synchronous half of the one before has run; answers
 * leave in the same order. All answers that are ready at one moment leave in one write. A connection starts nothing
 * new while it has too many requests or bytes in flight, or while its peer does not read what was answered; it then
 * stops reading, so that what it holds stays bounded.
 *
 * A client that has used more than its quota allows is answered at once, and told for how long it is throttled. The
 * connection is then muted for that time: it reads nothing and starts nothing, which costs other connections nothing.
 */
export class Connection implements Peer {
  readonly principal = 'User:ANONYMOUS';
  readonly listenerName: string;
  readonly listenerKind: Peer['listenerKind'];
  readonly clientAddress: string;
  readonly localAddress: Peer['localAddress'];
  readonly connectionId: string;

  private readonly runtime: Runtime;
  private readonly socket: Socket;
  private readonly owner: ConnectionOwner;
  private readonly decoder: FrameDecoder;

  private state: 'open' | 'closing' | 'closed' = 'open';
  private readonly exchanges: Exchange[] = [];
  private inFlightBytes = 0;
  private largeInFlight = false;
  /** Bytes of answers that are ready but wait for an earlier one. */
  private readyBytes = 0;
  /** A request that waits until the one before it with large answers has been written. */
  private parked: { request: RoutedRequest; frameBytes: number } | undefined;
  private serving: boolean;
  private reading = true;
  private pumping = false;
  private pumpScheduled = false;
  private flushScheduled = false;
  private endSent = false;
  /** Until when nothing is started, monotonic, ms; {@link muteTimer} ends it. */
  private mutedUntilMs = 0;
  private muteTimer: Timer | undefined;

  /** Monotonic, ms. */
  private lastActiveMs: number;
  private frameBegunMs: number;
  private lastBufferedBytes = 0;

  constructor(runtime: Runtime, socket: Socket, peer: ConnectionPeer, owner: ConnectionOwner) {
    this.runtime = runtime;
    this.socket = socket;
    this.listenerName = peer.listenerName;
    this.listenerKind = peer.listenerKind;
    this.clientAddress = peer.clientAddress;
    this.localAddress = peer.localAddress;
    this.connectionId = peer.connectionId;
    this.owner = owner;
    this.decoder = new FrameDecoder(owner.options.maxFrameBytes);
    const now = runtime.clock.monotonicMs();
    this.lastActiveMs = now;
    this.frameBegunMs = now;
    socket.setHandlers({
      onData: chunk => this.onData(chunk),
      onDrain: () => this.onDrain(),
      onClose: () => this.onClose(),
    });
    this.serving = owner.isServing;
    this.adjustReading();
  }

  /** Begins to take requests, if that has not begun. */
  serve(): void {
    this.serving = true;
    this.pump();
  }

  /** Answers what is in flight, takes no more requests, then closes. */
  shutdown(): void {
    this.refuse();
    this.flush();
  }

  /** Closes at once; requests in flight go on, their answers are dropped. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Closes the connection if one of its deadlines has passed. Called every second or so. */
  checkDeadlines(nowMs: number): void {
    const { bufferedBytes } = this.socket;
    if (bufferedBytes < this.lastBufferedBytes) this.lastActiveMs = nowMs;
    this.lastBufferedBytes = bufferedBytes;
    if (this.state === 'closing') {
      if (this.exchanges.length === 0 && nowMs - this.lastActiveMs > CLOSING_MS) this.destroy();
      return;
    }
    const partialBytes = this.decoder.bufferedBytes;
    const isLate = nowMs - this.frameBegunMs > PARTIAL_FRAME_MS + partialBytes;
    if (this.reading && this.decoder.hasBegun && isLate) {
      this.drop('a frame was not completed in time', { receivedBytes: partialBytes });
      return;
    }
    const waiting = this.muteTimer !== undefined || (this.exchanges.length > 0 && bufferedBytes === 0);
    const { maxIdleMs } = this.owner.options;
    if (!waiting && maxIdleMs >= 0 && nowMs - this.lastActiveMs > maxIdleMs) this.destroy();
  }

  private onData(chunk: Buffer): void {
    if (this.state !== 'open') return;
    const now = this.runtime.clock.monotonicMs();
    this.lastActiveMs = now;
    if (!this.decoder.hasBegun) this.frameBegunMs = now;
    this.decoder.push(chunk);
    this.pump();
  }

  private onDrain(): void {
    this.lastActiveMs = this.runtime.clock.monotonicMs();
    this.pump();
  }

  private onClose(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.parked = undefined;
    this.muteTimer?.cancel();
    const unanswered = this.exchanges.splice(0);
    this.owner.onClosed(this);
    for (const { outcome, context } of unanswered) if (outcome === undefined) context.closed();
  }

  /** Starts requests for as long as there are whole frames and room for them, and writes what is answered. */
  private pump(): void {
    if (this.pumping || this.state !== 'open') return;
    this.pumping = true;
    const begunMs = this.runtime.clock.monotonicMs();
    try {
      // What is written makes room for more.
      while (this.startRequests(begunMs) && this.flush() > 0);
    } catch (error) {
      this.drop('a connection failed unexpectedly', {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    } finally {
      this.pumping = false;
    }
    this.flush();
    this.adjustReading();
  }

  /** Starts what may start now. False if others must have their turn first. */
  private startRequests(begunMs: number): boolean {
    const { clock } = this.runtime;
    while (this.state === 'open' && this.hasRoom() && this.startNext(begunMs)) {
      if (clock.monotonicMs() - begunMs > TURN_MS) {
        this.schedulePump();
        return false;
      }
    }
    return true;
  }

  private hasRoom(): boolean {
    return (
      this.serving &&
      this.muteTimer === undefined &&
      this.exchanges.length < IN_FLIGHT_MAX &&
      this.inFlightBytes < IN_FLIGHT_BYTES_MAX &&
      this.readyBytes + this.socket.bufferedBytes <= UNSENT_BYTES_MAX
    );
  }

  /** Starts one request. False if there is none, or none that may start. */
  private startNext(nowMs: number): boolean {
    const next = this.parked ?? this.decodeNext(nowMs);
    if (next === undefined) return false;
    const { request, frameBytes } = next;
    if (request.handler.largeAnswers && this.largeInFlight) {
      this.parked = next;
      return false;
    }
    this.parked = undefined;
    const { context, handler } = request;
    const exchange: Exchange = {
      outcome: undefined,
      context,
      frameBytes,
      largeAnswers: handler.largeAnswers,
    };
    this.exchanges.push(exchange);
    this.inFlightBytes += frameBytes;
    if (exchange.largeAnswers) this.largeInFlight = true;
    const outcome = this.owner.router.dispatch(request);
    if (outcome instanceof Promise) {
      outcome.then(value => {
        this.complete(exchange, value);
        this.scheduleFlush();
      });
    } else {
      this.complete(exchange, outcome);
    }
    return true;
  }

  private decodeNext(nowMs: number): { request: RoutedRequest; frameBytes: number } | undefined {
    try {
      const frame = this.decoder.next();
      if (frame === undefined) return undefined;
      this.frameBegunMs = nowMs;
      return { request: this.owner.router.decode(frame, this, nowMs), frameBytes: frame.length };
    } catch (error) {
      if (!(error instanceof FrameError || error instanceof UnanswerableRequestError)) throw error;
      this.owner.logger.warn('bad request', 'a connection is closed for a bad request', {
        connectionId: this.connectionId,
        listener: this.listenerName,
        reason: error.message,
      });
      this.refuse();
      return undefined;
    }
  }

  private complete(exchange: Exchange, outcome: Outcome): void {
    if (this.state === 'closed') return;
    exchange.outcome = outcome;
    const { throttleMs } = exchange.context;
    if (throttleMs > 0) this.mute(throttleMs);
    if (typeof outcome !== 'string') {
      for (const chunk of outcome) this.readyBytes += chunk.length;
    }
  }

  private mute(forMs: number): void {
    this.mutedUntilMs = Math.max(this.mutedUntilMs, this.runtime.clock.monotonicMs() + forMs);
    if (this.muteTimer === undefined) this.unmuteLater(forMs);
  }

  private unmuteLater(delayMs: number): void {
    this.muteTimer = this.runtime.timers.after(delayMs, () => {
      const nowMs = this.runtime.clock.monotonicMs();
      if (nowMs < this.mutedUntilMs) {
        this.unmuteLater(this.mutedUntilMs - nowMs);
        return;
      }
      this.muteTimer = undefined;
      this.lastActiveMs = nowMs;
      this.pump();
    });
  }

  /** What completes in one go of the microtask queue is written together. */
  private scheduleFlush(): void {
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    Promise.resolve().then(() => {
      this.flushScheduled = false;
      this.flush();
      this.pump();
    });
  }

  private schedulePump(): void {
    if (this.pumpScheduled) return;
    this.pumpScheduled = true;
    this.runtime.timers.soon(() => {
      this.pumpScheduled = false;
      this.pump();
    });
  }

  /** Writes all answers that are ready and whose turn it is. Gives how many requests that ended. */
  private flush(): number {
    if (this.state === 'closed') return 0;
    const { exchanges } = this;
    let chunks: Buffer[] | undefined;
    let ended = false;
    let count = 0;
    for (; count < exchanges.length && !ended; count++) {
      const exchange = exchanges[count]!;
      const { outcome } = exchange;
      if (outcome === undefined) break;
      this.inFlightBytes -= exchange.frameBytes;
      if (exchange.largeAnswers) this.largeInFlight = false;
      if (outcome === 'close') ended = true;
      else if (outcome !== 'none') {
        chunks ??= [];
        for (const chunk of outcome) {
          chunks.push(chunk);
          this.readyBytes -= chunk.length;
        }
      }
    }
    if (count > 0) exchanges.splice(0, count);
    if (ended) {
      for (const { outcome, context } of exchanges.splice(0)) if (outcome === undefined) context.closed();
      this.refuse();
    }
    if (chunks !== undefined) {
      this.lastActiveMs = this.runtime.clock.monotonicMs();
      this.socket.write(chunks);
    }
    if (this.state === 'closing' && exchanges.length === 0 && !this.endSent) {
      this.endSent = true;
      this.socket.end();
    }
    return count;
  }

  private adjustReading(): void {
    if (this.state !== 'open') return;
    const read = this.parked === undefined && !this.pumpScheduled && this.hasRoom();
    if (read === this.reading) return;
    this.reading = read;
    if (read) {
      // While nothing was read, the peer could not complete its frame.
      this.frameBegunMs = this.runtime.clock.monotonicMs();
      this.socket.resume();
    } else {
      this.socket.pause();
    }
  }

  /** Takes no more requests; {@link flush} closes when those in flight are answered. */
  private refuse(): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.parked = undefined;
    // What still comes is read and dropped: unread bytes would turn the close into a reset, which can cost the peer
    // the last answer.
    if (!this.reading) this.socket.resume();
    this.reading = true;
    this.lastActiveMs = this.runtime.clock.monotonicMs();
  }

  private drop(message: string, fields: Record<string, unknown>): void {
    this.owner.logger.warn(message, message, {
      connectionId: this.connectionId,
      listener: this.listenerName,
      ...fields,
    });
    this.destroy();
  }
}
