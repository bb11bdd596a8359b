import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Infer, Message } from '../../src/protocol/schema.ts';
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts';
import { decodeAnswer } from '../oracle/wire-client.ts';
import { freePorts } from './free-ports.ts';

const HOST = '127.0.0.1';
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** How long a client may take to send what is waited for, and a broker to answer what was released. */
const PATIENCE_MS = 30_000;

/** Of the header of a request, its first fields, which are the same in all versions of it. */
interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string;
}

function headerOf(frame: Buffer): RequestHeader {
  const clientIdBytes = frame.readInt16BE(8);
  return {
    apiKey: frame.readInt16BE(0),
    apiVersion: frame.readInt16BE(2),
    correlationId: frame.readInt32BE(4),
    clientId: clientIdBytes < 0 ? '' : frame.toString('utf8', 10, 10 + clientIdBytes),
  };
}

/** What is to be held: the next request of an API, by a client whose client id contains the word. */
interface Rule {
  readonly apiKey: number;
  readonly clientId: string;
  readonly resolve: (held: HeldRequest) => void;
}

/** How often a client has sent a version of an API. */
interface Seen {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly clientId: string;
  readonly count: number;
}

/** A connection of a client and the one to the broker that stands for it. */
class Pair {
  private readonly client: Socket;
  private readonly broker: Socket;
  private readonly requests = new FrameDecoder(FRAME_BYTES_MAX);
  private readonly answers = new FrameDecoder(FRAME_BYTES_MAX);
  private readonly waiting = new Map<number, (answer: Buffer | undefined) => void>();
  /** False from when a request was held: from then on the broker has nobody at the other end who listens. */
  private clientListens = true;

  /** `wanted` says whether a request is to be held; `ended` is called when the broker's side is closed. */
  constructor(
    client: Socket,
    brokerPort: number,
    wanted: (header: RequestHeader) => Rule | undefined,
    ended: (pair: Pair) => void,
  ) {
    this.client = client;
    this.broker = connect(brokerPort, HOST);
    client.setNoDelay(true);
    this.broker.setNoDelay(true);
    client.on('data', chunk => this.takeRequests(chunk, wanted));
    this.broker.on('data', chunk => this.takeAnswers(chunk));
    client.on('error', () => {});
    this.broker.on('error', () => {});
    client.on('close', () => {
      if (this.clientListens) this.broker.destroy();
    });
    this.broker.on('close', () => {
      this.client.destroy();
      for (const tell of this.waiting.values()) tell(undefined);
      this.waiting.clear();
      ended(this);
    });
  }

  close(): void {
    this.clientListens = false;
    this.client.destroy();
    this.broker.destroy();
  }

  /** Sends a frame that was held. Resolves with its answer, or with nothing if the broker closes the connection. */
  send(frame: Buffer): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      if (this.broker.destroyed) return resolve(undefined);
      const timer = setTimeout(() => reject(new Error('what was released gets no answer')), PATIENCE_MS);
      this.waiting.set(headerOf(frame).correlationId, answer => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.broker.write(sized(frame));
    });
  }

  private takeRequests(chunk: Buffer, wanted: (header: RequestHeader) => Rule | undefined): void {
    this.requests.push(chunk);
    for (let frame = this.requests.next(); frame !== undefined; frame = this.requests.next()) {
      // What the client sent behind the request that is held is lost, as it would be with the connection.
      if (!this.clientListens) return;
      const header = headerOf(frame);
      const rule = wanted(header);
      if (rule === undefined) {
        this.broker.write(sized(frame));
      } else {
        this.clientListens = false;
        this.client.destroy();
        rule.resolve(new HeldRequest(header.apiVersion, frame, this));
      }
    }
  }

  private takeAnswers(chunk: Buffer): void {
    this.answers.push(chunk);
    if (this.clientListens) this.client.write(chunk);
    for (let frame = this.answers.next(); frame !== undefined; frame = this.answers.next()) {
      const correlationId = frame.readInt32BE(0);
      this.waiting.get(correlationId)?.(frame);
      this.waiting.delete(correlationId);
    }
  }
}

/** A request that has not reached the broker, on a connection whose client is gone. */
export class HeldRequest {
  readonly version: number;
  private readonly frame: Buffer;
  private readonly pair: Pair;
  private answered = false;
  private released = false;

  constructor(version: number, frame: Buffer, pair: Pair) {
    this.version = version;
    this.frame = frame;
    this.pair = pair;
  }

  /** Whether it was released and the broker has answered. */
  get isAnswered(): boolean {
    return this.answered;
  }

  /**
   * Lets the request go on to the broker, on the connection that it was sent on. Resolves with the broker's answer;
   * rejects if the broker closes the connection instead.
   */
  async release<R extends Message>(response: R): Promise<Infer<R>> {
    if (this.released) throw new Error('a request is released only once');
    this.released = true;
    const answer = await this.pair.send(this.frame);
    if (answer === undefined) throw new Error('the broker has closed the connection of what was released');
    this.answered = true;
    return decodeAnswer(response, this.version, answer);
  }
}

/**
 * Stands between clients and the brokers of a cluster, one port for each broker; `advertised.listeners` of a broker
 * must name its port here. It passes everything on, but for a request that it is told to hold: then the client's
 * connection is cut, so that the client sends the request again on another one, while the broker knows nothing of it
 * and keeps the connection. What was held can be released at any later moment, as bytes that were on their way so long.
 */
export class LateBytesProxy {
  readonly ports: readonly number[];
  private readonly servers: Server[] = [];
  private readonly pairs = new Set<Pair>();
  private readonly held: HeldRequest[] = [];
  private rule: Rule | undefined;
  private readonly seen = new Map<string, Seen>();

  private constructor(ports: readonly number[]) {
    this.ports = ports;
  }

  /** Takes a port for each broker; nobody is served before {@link start}. */
  static async open(brokers: number): Promise<LateBytesProxy> {
    return new LateBytesProxy(await freePorts(brokers));
  }

  /** Serves; `brokerPorts` are in the order of the proxy's own. */
  async start(brokerPorts: readonly number[]): Promise<void> {
    for (const [index, port] of this.ports.entries()) {
      const server = createServer(client => {
        const wanted = (header: RequestHeader) => this.ruleFor(header);
        this.pairs.add(new Pair(client, brokerPorts[index]!, wanted, pair => this.pairs.delete(pair)));
      });
      this.servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, HOST, resolve);
      });
    }
  }

  get bootstrap(): string {
    return this.ports.map(port => `${HOST}:${port}`).join(',');
  }

  /** Holds the next request of an API that a client sends whose client id contains the word. */
  hold(apiKey: number, clientId: string): Promise<HeldRequest> {
    if (this.rule !== undefined) throw new Error(`API ${this.rule.apiKey} is waited for, and has not come`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.rule = undefined;
        reject(new Error(`no request of API ${apiKey} came from ${clientId}`));
      }, PATIENCE_MS);
      this.rule = {
        apiKey,
        clientId,
        resolve: held => {
          clearTimeout(timer);
          this.held.push(held);
          resolve(held);
        },
      };
    });
  }

  /** How many requests were held. */
  get heldCount(): number {
    return this.held.length;
  }

  /** How many of them were released and answered. */
  get releasedCount(): number {
    return this.held.filter(({ isAnswered }) => isAnswered).length;
  }

  /** How often each version of an API came from clients whose client id contains the word. */
  countsOf(apiKey: number, clientId: string): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    for (const seen of this.seen.values()) {
      if (seen.apiKey !== apiKey || !seen.clientId.includes(clientId)) continue;
      counts.set(seen.apiVersion, (counts.get(seen.apiVersion) ?? 0) + seen.count);
    }
    return counts;
  }

  async close(): Promise<void> {
    for (const pair of this.pairs) pair.close();
    await Promise.all(this.servers.map(server => new Promise(resolve => server.close(resolve))));
  }

  private ruleFor(header: RequestHeader): Rule | undefined {
    const { apiKey, apiVersion, clientId } = header;
    const key = `${clientId}|${apiKey}|${apiVersion}`;
    const seen = this.seen.get(key) ?? { apiKey, apiVersion, clientId, count: 0 };
    this.seen.set(key, { ...seen, count: seen.count + 1 });
    const { rule } = this;
    if (rule?.apiKey !== apiKey || !clientId.includes(rule.clientId)) return undefined;
    this.rule = undefined;
    return rule;
  }
}

function sized(frame: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(frame.length);
  return Buffer.concat([size, frame]);
}
