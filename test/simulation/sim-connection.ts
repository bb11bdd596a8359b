import type { Socket, SocketHandlers } from '../../src/runtime/runtime.ts';
import type { SimNetwork } from './sim-network.ts';
import type { SimProcess } from './sim-process.ts';

export interface NetworkOptions {
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** What the systems at both ends take of one direction before the writer has to keep it. */
  readonly systemBufferBytes: number;
  /** How often a read takes only a part of what is there. */
  readonly partialReads: number;
}

interface EndOptions {
  readonly process: SimProcess;
  readonly incarnation: number;
  readonly port: number;
}

interface Segment {
  bytes: Buffer;
  readonly arrivesAtMs: number;
}

const TURN_MS = 0.02;
/** What memory that was read once must not be taken for. */
const POISON = 0xdd;

function resetError(): Error {
  return Object.assign(new Error('ECONNRESET: the connection was reset'), { code: 'ECONNRESET' });
}

/**
 * One direction: bytes in order, which arrive some time after they were sent, and at the end, if it comes, either FIN
 * (after all bytes) or RST (which makes the reader lose what it has not read).
 */
class Pipe {
  readonly from: SimSocket;
  readonly to: SimSocket;
  /** Nothing arrives before this moment: a stall of this direction. */
  stalledUntilMs = 0;
  queuedBytes = 0;
  private readonly network: SimNetwork;
  private readonly id: string;
  private segments: Segment[] = [];
  private lastArrivalMs = 0;
  private end: { readonly kind: 'fin' | 'rst'; readonly arrivesAtMs: number } | undefined;
  private isArmed = false;
  private isOver = false;

  constructor(network: SimNetwork, id: string, from: SimSocket, to: SimSocket) {
    this.network = network;
    this.id = id;
    this.from = from;
    this.to = to;
  }

  /** What is on its way, as it was written; of the first piece a part may have been read. */
  get pieces(): readonly Buffer[] {
    return this.segments.map(({ bytes }) => bytes);
  }

  /** What the system of the writer has not taken yet. */
  get bufferedBytes(): number {
    return Math.max(0, this.queuedBytes - this.network.options.systemBufferBytes);
  }

  private arrivalMs(): number {
    const latencyMs = this.network.latencyMs(this.from.process.host, this.to.process.host);
    this.lastArrivalMs = Math.max(this.lastArrivalMs, this.network.scheduler.nowMs + latencyMs);
    return this.lastArrivalMs;
  }

  send(bytes: Buffer): void {
    if (this.isOver || this.end !== undefined) return;
    this.network.sentBytes += bytes.length;
    this.queuedBytes += bytes.length;
    this.segments.push({ bytes, arrivesAtMs: this.arrivalMs() });
    this.arm();
  }

  finish(kind: 'fin' | 'rst'): void {
    if (this.isOver || this.end !== undefined) return;
    this.end = { kind, arrivesAtMs: this.arrivalMs() };
    this.arm();
  }

  /** The writer is gone: what its system had not taken is gone too, and nothing follows the rest but `kind`. */
  cutUserBytes(): void {
    this.cutTo(this.queuedBytes - this.bufferedBytes);
  }

  /** Only the first `bytes` of what is on the way will arrive. */
  cutTo(bytes: number): void {
    let left = bytes;
    const kept: Segment[] = [];
    for (const segment of this.segments) {
      if (left <= 0) break;
      if (segment.bytes.length > left) segment.bytes = segment.bytes.subarray(0, left);
      left -= segment.bytes.length;
      kept.push(segment);
    }
    this.segments = kept;
    this.queuedBytes = kept.reduce((sum, segment) => sum + segment.bytes.length, 0);
  }

  /** Nobody reads here any more. */
  discard(): void {
    this.isOver = true;
    this.segments = [];
    this.queuedBytes = 0;
  }

  get isDone(): boolean {
    return this.isOver;
  }

  /** Whether it is known how this direction ends. */
  get isEnding(): boolean {
    return this.end !== undefined;
  }

  /** What a stall holds back arrives now. */
  release(): void {
    this.stalledUntilMs = 0;
    // What looks at the end of the stall finds nothing more then.
    this.isArmed = false;
    this.arm();
  }

  /** Looks again when the next piece can be read, or at once if it is there. */
  arm(): void {
    if (this.isArmed || this.isOver) return;
    const next = this.segments[0]?.arrivesAtMs ?? this.end?.arrivesAtMs;
    if (next === undefined) return;
    if (this.network.link(this.from.process.host, this.to.process.host).isBlocked) return;
    const { nowMs } = this.network.scheduler;
    this.isArmed = true;
    const delayMs = Math.max(next, this.stalledUntilMs, nowMs + TURN_MS) - nowMs;
    this.network.scheduler.after(delayMs, this.id, () => {
      this.isArmed = false;
      this.arrive();
    });
  }

  private arrive(): void {
    if (this.isOver) return;
    const { nowMs } = this.network.scheduler;
    const isBlocked = this.network.link(this.from.process.host, this.to.process.host).isBlocked;
    if (isBlocked || this.stalledUntilMs > nowMs) {
      this.arm();
      return;
    }
    const { to } = this;
    if (to.state === 'gone') {
      // The machine lost its power: if it is on again it knows nothing of this connection and says so.
      this.discard();
      if (to.process.isPowered) to.connection.refuse(this.from);
      else to.isKnockedAt = true;
      return;
    }
    if (to.state === 'closed') {
      const isData = this.segments.length > 0;
      this.discard();
      if (isData) to.connection.refuse(this.from);
      to.connection.closeIfDone();
      return;
    }
    if (this.end?.kind === 'rst' && this.segments.length === 0) {
      this.discard();
      to.reset();
      return;
    }
    if (to.isPaused) return;
    to.process.deliver(to.incarnation, () => this.read());
  }

  /** In a turn of the reader. */
  private read(): void {
    const { to } = this;
    if (this.isOver || to.state === 'closed' || to.isPaused) return;
    if (this.segments.length === 0) {
      if (this.end?.kind === 'fin') {
        this.discard();
        to.finReceived();
      } else if (this.end !== undefined) {
        this.arm();
      }
      return;
    }
    const chunk = this.take();
    this.arm();
    if (chunk.length === 0) return;
    this.network.scheduler.trace.add(`${this.id} ${chunk.length}`);
    to.receive(chunk);
    chunk.fill(POISON);
    this.from.readByPeer();
  }

  /** What has arrived, or a part of it, in the memory that all reads share. */
  private take(): Buffer {
    const { receiveBuffer, random, options, scheduler } = this.network;
    let size = 0;
    for (const { bytes, arrivesAtMs } of this.segments) {
      if (arrivesAtMs > scheduler.nowMs) break;
      size += bytes.length;
    }
    size = Math.min(size, receiveBuffer.length);
    if (size > 1 && random.chance(options.partialReads)) size = random.between(1, size);
    let done = 0;
    while (done < size) {
      const first = this.segments[0]!;
      const part = Math.min(size - done, first.bytes.length);
      first.bytes.copy(receiveBuffer, done, 0, part);
      done += part;
      if (part === first.bytes.length) this.segments.shift();
      else first.bytes = first.bytes.subarray(part);
    }
    this.queuedBytes -= size;
    return receiveBuffer.subarray(0, size);
  }
}

/** One end of a connection. `gone`: its machine lost power. `closed`: its owner or its system closed it. */
export class SimSocket implements Socket {
  readonly connection: SimConnection;
  readonly process: SimProcess;
  readonly incarnation: number;
  readonly localPort: number;
  state: 'open' | 'ended' | 'closed' | 'gone' = 'open';
  isPaused = false;
  /** Something came while the machine was off. */
  isKnockedAt = false;
  outgoing!: Pipe;
  incoming!: Pipe;
  peer!: SimSocket;
  private handlers: SocketHandlers | undefined;
  private needsDrain = false;
  private closeReported = false;
  private finSeen = false;

  constructor(connection: SimConnection, { process, incarnation, port }: EndOptions) {
    this.connection = connection;
    this.process = process;
    this.incarnation = incarnation;
    this.localPort = port;
  }

  get localAddress(): string {
    return this.process.host;
  }

  get remoteAddress(): string {
    return this.peer.process.host;
  }

  get remotePort(): number {
    return this.peer.localPort;
  }

  get isClosed(): boolean {
    return this.state === 'closed' || this.state === 'gone';
  }

  private get isMine(): boolean {
    return this.process.isCurrent(this.incarnation);
  }

  setHandlers(handlers: SocketHandlers): void {
    this.handlers = handlers;
    this.incoming.arm();
  }

  get bufferedBytes(): number {
    return this.isClosed ? 0 : this.outgoing.bufferedBytes;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.state !== 'open' || !this.isMine) return;
    const bytes = Buffer.concat(chunks);
    if (bytes.length === 0) return;
    this.outgoing.send(bytes);
    if (this.outgoing.bufferedBytes > 0) this.needsDrain = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.incoming.arm();
  }

  end(): void {
    if (this.state !== 'open' || !this.isMine) return;
    this.state = 'ended';
    this.outgoing.finish('fin');
    this.closeIfFinished();
  }

  destroy(): void {
    if (!this.isClosed && this.isMine) this.close(undefined);
  }

  /** The owner hears of it in a turn of its own. */
  private close(error: Error | undefined): void {
    const { random } = this.connection.network;
    this.state = 'closed';
    this.outgoing.cutUserBytes();
    // A system that closes a connection with unread bytes resets it; else what was written still goes out.
    this.outgoing.finish(this.incoming.queuedBytes > 0 && random.chance(0.5) ? 'rst' : 'fin');
    this.reportClose(error);
    this.connection.closeIfDone();
  }

  private reportClose(error: Error | undefined): void {
    if (this.closeReported) return;
    this.closeReported = true;
    this.process.schedule(this.incarnation, TURN_MS, `${this.connection.id} closed`, () =>
      this.handlers?.onClose(error),
    );
  }

  /** RST has come: nothing that is unread or unsent matters any more. */
  reset(): void {
    if (this.isClosed) return;
    this.state = 'closed';
    this.incoming.discard();
    // What is on the way still arrives, if anybody waits for it.
    if (!this.outgoing.isEnding) this.outgoing.discard();
    this.reportClose(resetError());
    this.connection.closeIfDone();
  }

  /** The system sees the connection as lost, though what is on the way from here still is. */
  lose(): void {
    if (this.isClosed) return;
    this.state = 'closed';
    this.outgoing.cutUserBytes();
    this.outgoing.finish('fin');
    this.incoming.discard();
    this.reportClose(resetError());
  }

  /** The process or its machine is gone. */
  vanish(how: 'killed' | 'powerLost'): void {
    const { random } = this.connection.network;
    if (this.isClosed) return;
    this.outgoing.cutUserBytes();
    if (how === 'killed') {
      this.state = 'closed';
      this.outgoing.finish(this.incoming.queuedBytes > 0 ? 'rst' : 'fin');
    } else {
      this.state = 'gone';
      this.outgoing.cutTo(random.below(this.outgoing.queuedBytes + 1));
    }
    this.connection.closeIfDone();
  }

  receive(chunk: Buffer): void {
    this.handlers?.onData(chunk);
  }

  /** The peer sends nothing more: this end sends the rest of what it has, and closes. */
  finReceived(): void {
    this.finSeen = true;
    if (this.state === 'open') {
      this.state = 'ended';
      this.outgoing.finish('fin');
    }
    this.closeIfFinished();
  }

  private closeIfFinished(): void {
    if (this.state !== 'ended' || !this.finSeen || this.outgoing.bufferedBytes > 0) return;
    this.state = 'closed';
    this.reportClose(undefined);
    this.connection.closeIfDone();
  }

  /** The peer has read something. */
  readByPeer(): void {
    if (this.outgoing.bufferedBytes > 0) return;
    if (this.needsDrain && this.state === 'open') {
      this.needsDrain = false;
      this.process.schedule(this.incarnation, TURN_MS, `${this.connection.id} drained`, () => {
        if (this.state === 'open') this.handlers?.onDrain();
      });
    }
    this.closeIfFinished();
  }
}

/** A connection between two processes. */
export class SimConnection {
  readonly network: SimNetwork;
  readonly id: string;
  readonly client: SimSocket;
  readonly server: SimSocket;

  constructor(network: SimNetwork, id: string, options: { client: EndOptions; server: EndOptions }) {
    this.network = network;
    this.id = id;
    this.client = new SimSocket(this, options.client);
    this.server = new SimSocket(this, options.server);
    const requests = new Pipe(network, `${id} >`, this.client, this.server);
    const answers = new Pipe(network, `${id} <`, this.server, this.client);
    this.client.outgoing = requests;
    this.client.incoming = answers;
    this.client.peer = this.server;
    this.server.outgoing = answers;
    this.server.incoming = requests;
    this.server.peer = this.client;
  }

  /** Both ends hear of a reset; of what is on the way each gets a part before. */
  reset(): void {
    const { random } = this.network;
    for (const { outgoing } of [this.client, this.server]) {
      outgoing.cutTo(random.below(outgoing.queuedBytes + 1));
      outgoing.finish('rst');
    }
  }

  /**
   * The client sees a reset now, and will connect again; what it had sent reaches the server only after `lateMs`, when
   * it may have sent the same again by another connection.
   */
  resetWithLateBytes(lateMs: number): void {
    this.client.outgoing.stalledUntilMs = this.network.scheduler.nowMs + lateMs;
    this.client.lose();
  }

  /** Nothing arrives in one direction for a time. */
  stall(direction: 'toServer' | 'toClient', ms: number): void {
    const pipe = direction === 'toServer' ? this.client.outgoing : this.server.outgoing;
    pipe.stalledUntilMs = this.network.scheduler.nowMs + ms;
  }

  /** One end forgets the connection and says nothing: the other waits. */
  halfOpen(end: 'client' | 'server'): void {
    this[end].outgoing.cutTo(0);
    this[end].outgoing.discard();
    this[end].lose();
  }

  /** What reached an end that knows nothing of the connection is answered by RST. */
  refuse(to: SimSocket): void {
    const delayMs = this.network.latencyMs(to.peer.process.host, to.process.host);
    this.network.scheduler.after(delayMs, `${this.id} refused`, () => to.reset());
  }

  linkChanged(): void {
    this.client.outgoing.arm();
    this.server.outgoing.arm();
  }

  hostStarted(host: string): void {
    for (const end of [this.client, this.server])
      if (end.state === 'gone' && end.isKnockedAt && end.process.host === host) this.refuse(end.peer);
  }

  processEnded(process: SimProcess, how: 'killed' | 'powerLost'): void {
    for (const end of [this.client, this.server]) if (end.process === process) end.vanish(how);
  }

  closeIfDone(): void {
    const isDone = (end: SimSocket): boolean => end.isClosed;
    if (
      isDone(this.client) &&
      isDone(this.server) &&
      this.client.outgoing.isDone &&
      this.server.outgoing.isDone
    )
      this.network.connections.delete(this);
  }
}
