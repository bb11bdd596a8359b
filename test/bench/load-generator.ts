import { connect, type Socket } from 'node:net';
import { ByteReader } from '../../src/base/byte-reader.ts';
import { ByteWriter } from '../../src/base/byte-writer.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import { ProduceRequest } from '../../src/protocol/messages/00-produce.ts';
import { FetchRequest } from '../../src/protocol/messages/01-fetch.ts';
import type { Input, Message } from '../../src/protocol/schema.ts';
import { batch } from '../oracle/raw-batch.ts';

/**
 * A load generator that costs next to nothing itself: it sends the same prebuilt request over and over, with a
 * fixed number of requests in flight on each connection (closed loop), and looks only at the error code of an
 * answer. Runs as a process of its own; takes one JSON argument and prints one JSON object.
 */
export interface LoadOptions {
  readonly kind: 'produce' | 'fetch';
  readonly port: number;
  readonly topic: string;
  /** Connection n works on partition n. */
  readonly connections: number;
  /** Requests in flight on one connection. */
  readonly window: number;
  readonly recordBytes: number;
  readonly recordsPerRequest: number;
  /** Whichever comes first ends the run. */
  readonly maxSeconds: number;
  readonly maxBytes: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly requests: number;
  /** Bytes of record batches that were acknowledged, or fetched. */
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

const PRODUCE_VERSION = 7;
const FETCH_VERSION = 11;
const CORRELATION_ID_POSITION = 4;
const ACKS_ALL = -1;
/** The default of max.partition.fetch.bytes of Kafka's consumer. */
const PARTITION_FETCH_BYTES = 1_048_576;

function frame<Q extends Message>(request: Q, version: number, body: Input<Q>): Buffer {
  const writer = new ByteWriter();
  writer.int32(0);
  writer.int16(request.apiKey ?? 0);
  writer.int16(version);
  writer.int32(1);
  writer.int16(-1);
  codecOf(request, version).encode(writer, body);
  const bytes = writer.concat();
  bytes.writeInt32BE(bytes.length - 4, 0);
  return bytes;
}

export function produceFrame(topic: string, partition: number, records: Buffer): Buffer {
  return frame(ProduceRequest, PRODUCE_VERSION, {
    acks: ACKS_ALL,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  });
}

function fetchFrame(topic: string, partition: number, fetchOffset: number): Buffer {
  return frame(FetchRequest, FETCH_VERSION, {
    // No long poll: an empty answer at the end of the log sends the reader back to its start.
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 50 * PARTITION_FETCH_BYTES,
    sessionEpoch: -1,
    topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: PARTITION_FETCH_BYTES }] }],
    forgottenTopicsData: [],
  });
}

/** A batch of plain records, all alike. */
export function plainBatch(recordBytes: number, count: number): Buffer {
  const value = 'x'.repeat(recordBytes);
  return batch({ records: Array.from({ length: count }, () => ({ value })) });
}

/** One connection: keeps `window` requests in flight and calls back with each whole answer. */
export class Channel {
  private readonly socket: Socket;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private wanted = 4;
  private readonly onAnswer: (answer: Buffer) => void;

  constructor(socket: Socket, onAnswer: (answer: Buffer) => void) {
    this.socket = socket;
    this.onAnswer = onAnswer;
    socket.setNoDelay(true);
    socket.on('data', chunk => this.take(chunk));
  }

  write(request: Buffer): void {
    this.socket.write(request);
  }

  end(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.pending.push(chunk);
    this.pendingBytes += chunk.length;
    while (this.pendingBytes >= this.wanted) {
      // Small answers come whole; a large one is put together once, when its last byte is there.
      let all = this.pending.length === 1 ? (this.pending[0] ?? chunk) : Buffer.concat(this.pending);
      const size = 4 + all.readInt32BE(0);
      if (all.length < size) {
        this.wanted = size;
        this.pending = [all];
        return;
      }
      const answer = all.subarray(0, size);
      all = all.subarray(size);
      this.pending = all.length === 0 ? [] : [all];
      this.pendingBytes = all.length;
      this.wanted = 4;
      this.onAnswer(answer);
    }
  }
}

export function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
  });
}

/** Runs the load and measures it. Rejects on the first answer with an error code. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const records = plainBatch(options.recordBytes, options.recordsPerRequest);
  const latencies: number[] = [];
  let bytes = 0;
  const startedAt = performance.now();
  const deadline = startedAt + options.maxSeconds * 1000;
  const run = async (partition: number) => {
    const socket = await open(options.port);
    await new Promise<void>((resolve, reject) => {
      const sentAt: number[] = [];
      let inFlight = 0;
      let nextOffset = 0;
      const request = produceFrame(options.topic, partition, records);
      const send = () => {
        sentAt.push(performance.now());
        inFlight++;
        channel.write(
          options.kind === 'produce' ? request : fetchFrame(options.topic, partition, nextOffset),
        );
      };
      const channel = new Channel(socket, answer => {
        const now = performance.now();
        latencies.push(now - (sentAt.shift() ?? now));
        inFlight--;
        try {
          if (options.kind === 'produce') {
            checkProduced(answer, options.topic);
            bytes += records.length;
          } else {
            const fetched = readFetched(answer, options.topic);
            bytes += fetched.bytes;
            nextOffset = fetched.bytes === 0 ? 0 : fetched.nextOffset;
          }
        } catch (error) {
          channel.end();
          return reject(error);
        }
        if (now < deadline && bytes < options.maxBytes) return send();
        if (inFlight > 0) return;
        channel.end();
        resolve();
      });
      socket.on('close', () => reject(new Error('the broker closed the connection')));
      // A fetch tells where the next one starts, so only one can be in flight.
      const window = options.kind === 'produce' ? options.window : 1;
      for (let i = 0; i < window; i++) send();
    });
  };
  await Promise.all(Array.from({ length: options.connections }, (_, partition) => run(partition)));
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { seconds, requests: latencies.length, bytes, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}

/** The error code stands behind: size, correlation id, count, name, count, index. */
export function checkProduced(answer: Buffer, topic: string): void {
  const errorCode = answer.readInt16BE(CORRELATION_ID_POSITION + 4 + 4 + 2 + topic.length + 4 + 4);
  if (errorCode !== 0) throw new Error(`Produce was answered with error ${errorCode}`);
}

function readFetched(answer: Buffer, topic: string): { bytes: number; nextOffset: number } {
  const reader = new ByteReader(answer, CORRELATION_ID_POSITION + 4);
  // throttle time, error code, session id, count of topics, name, count of partitions, index
  reader.skip(4 + 2 + 4 + 4 + 2 + topic.length + 4 + 4);
  const errorCode = reader.int16();
  if (errorCode !== 0) throw new Error(`Fetch was answered with error ${errorCode}`);
  // high watermark, last stable offset, log start offset, aborted transactions, preferred replica
  reader.skip(8 + 8 + 8);
  reader.skip(Math.max(0, reader.int32()) * 16 + 4);
  const size = Math.max(0, reader.int32());
  const end = reader.position + size;
  let position = reader.position;
  let nextOffset = 0;
  while (position + 61 <= end) {
    const batchEnd = position + 12 + answer.readInt32BE(position + 8);
    if (batchEnd > end) break;
    nextOffset = Number(answer.readBigInt64BE(position)) + answer.readInt32BE(position + 23) + 1;
    position = batchEnd;
  }
  return { bytes: position - reader.position, nextOffset };
}

const argument = process.argv[2];
if (argument !== undefined && process.argv[1]?.includes('load-generator') === true) {
  const options = JSON.parse(argument) as LoadOptions;
  process.stdout.write(`${JSON.stringify(await runLoad(options))}\n`);
}
