import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { fetchKcat } from '../support/client-tools.ts';
import { numberIn, type PartitionHistory, type SoakRecord, textOf } from './partition-history.ts';

const KEYS = 200;
const TOMBSTONES = 0.1;
const RECORDS = 20;
const SEND_EVERY_MS = 400;
/** With keys that move on, a key has so many records in all. */
const RECORDS_OF_KEY = 4;
/** Each of these many batches is compressed. */
const COMPRESSED_EVERY = 3;

/** What a topic is written with. */
export interface TrafficShape {
  readonly valueBytesMax: number;
  /** New keys come and old ones are not written any more. */
  readonly keysMoveOn: boolean;
}

/** Writes to each partition of a topic and reads them, and enters in their histories what it was told. */
export class SoakTraffic {
  readonly topic: string;
  readonly histories: readonly PartitionHistory[];
  /** `performance.now()` of the last acknowledgement of each partition. */
  readonly lastAcks: number[];
  private readonly kafka: Kafka;
  private readonly bootstrap: string;
  private readonly shape: TrafficShape;
  private written = 0;
  private ending = false;
  private writers: Promise<void>[] = [];
  private reader: ChildProcess | undefined;

  constructor(bootstrap: string, topic: string, histories: readonly PartitionHistory[], shape: TrafficShape) {
    this.topic = topic;
    this.shape = shape;
    this.histories = histories;
    this.lastAcks = histories.map(() => performance.now());
    this.bootstrap = bootstrap;
    this.kafka = new Kafka({
      brokers: bootstrap.split(','),
      clientId: 'soak',
      logLevel: logLevel.NOTHING,
      connectionTimeout: 1_000,
      requestTimeout: 5_000,
      retry: { retries: 500, initialRetryTime: 50, maxRetryTime: 300 },
    });
  }

  async start(): Promise<void> {
    await this.startReader();
    this.writers = this.histories.map((history, partition) => this.write(partition, history));
    for (const writer of this.writers) writer.catch(() => {});
  }

  /** One batch after the other: a batch that comes twice, after a lost answer, comes before the next one. */
  private async write(partition: number, history: PartitionHistory): Promise<void> {
    const producer = this.kafka.producer({ maxInFlightRequests: 1, metadataMaxAge: 2_000 });
    await producer.connect();
    for (let batch = 0; !this.ending; batch++) {
      const records: SoakRecord[] = [];
      for (let index = 0; index < RECORDS; index++) {
        const first = this.shape.keysMoveOn ? Math.floor(this.written / RECORDS_OF_KEY) : 0;
        const key = `key-${first + Math.floor(Math.random() * KEYS)}`;
        records.push({ key, number: Math.random() < TOMBSTONES ? undefined : this.written++ });
      }
      const messages = records.map(({ key, number }) => ({
        key,
        partition,
        value:
          number === undefined ? null : textOf(number, Math.floor(Math.random() * this.shape.valueBytesMax)),
      }));
      const compression = batch % COMPRESSED_EVERY === 0 ? CompressionTypes.GZIP : CompressionTypes.None;
      const [answer] = await producer.send({ topic: this.topic, messages, acks: -1, compression });
      history.takeAcknowledgement(Number(answer?.baseOffset), records);
      this.lastAcks[partition] = performance.now();
      await sleep(SEND_EVERY_MS);
    }
    await producer.disconnect();
  }

  private async startReader(): Promise<void> {
    const args = ['-b', this.bootstrap, '-C', '-E', '-q', '-u', '-t', this.topic, '-o', 'beginning'];
    // Where retention overtakes it, it goes on from what is left.
    const settings = ['-X', 'auto.offset.reset=earliest', '-X', 'check.crcs=true'];
    const format = ['-f', '%p\t%o\t%k\t%S\t%s\n'];
    const reader = spawn(await fetchKcat(), [...args, ...settings, ...format], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    createInterface({ input: reader.stdout }).on('line', line => {
      const [partition, offset, key = '', size, value = ''] = line.split('\t');
      const number = Number(size) < 0 ? undefined : numberIn(value);
      this.histories[Number(partition)]?.takeRead(Number(offset), { key, number });
    });
    this.reader = reader;
  }

  /** Ends the writers; returns when all that was sent is answered. Rejects if a writer gave up. */
  async drain(): Promise<void> {
    this.ending = true;
    await Promise.all(this.writers);
  }

  end(): void {
    this.ending = true;
    this.reader?.kill('SIGKILL');
  }
}
