import type { Socket } from 'node:net';
import { Channel, checkProduced, open, plainBatch, produceFrame } from './load-generator.ts';

const EVERY_MS = 5;
const RECORDS = 10;
const RECORD_BYTES = 1_000;

/**
 * Sends ten records of 1 KB to partition 0 every 5 ms, whether or not earlier ones are answered (an open loop), and
 * measures how long each answer takes.
 */
export class PacedProducer {
  private readonly topic: string;
  private readonly socket: Socket;
  private readonly channel: Channel;
  private readonly timer: NodeJS.Timeout;
  private readonly sentAt: number[] = [];
  private latencies: number[] = [];
  private failure: unknown;

  private constructor(topic: string, socket: Socket) {
    this.topic = topic;
    this.socket = socket;
    const request = produceFrame(topic, 0, plainBatch(RECORD_BYTES, RECORDS));
    this.channel = new Channel(socket, answer => this.take(answer));
    this.timer = setInterval(() => {
      this.sentAt.push(performance.now());
      this.channel.write(request);
    }, EVERY_MS);
    socket.on('close', () => {
      this.failure ??= new Error('the broker closed the connection');
    });
  }

  static async start(port: number, topic: string): Promise<PacedProducer> {
    return new PacedProducer(topic, await open(port));
  }

  private take(answer: Buffer): void {
    const now = performance.now();
    this.latencies.push(now - (this.sentAt.shift() ?? now));
    try {
      checkProduced(answer, this.topic);
    } catch (error) {
      this.failure ??= error;
    }
  }

  /** Latencies in ms since the last call, sorted; those of requests not answered yet count as they are so far. */
  takeLatencies(): number[] {
    if (this.failure !== undefined) throw this.failure;
    const now = performance.now();
    const all = [...this.latencies, ...this.sentAt.map(sent => now - sent)].sort((a, b) => a - b);
    this.latencies = [];
    return all;
  }

  end(): void {
    clearInterval(this.timer);
    this.socket.removeAllListeners('close');
    this.channel.end();
  }
}
