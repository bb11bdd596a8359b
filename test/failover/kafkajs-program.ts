import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';

export interface ProgramArguments {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly perSecond: number;
  readonly group: string;
}

/** How often a request is sent, and how often offsets are committed. */
const SEND_EVERY_MS = 50;
const COMMIT_EVERY_MS = 250;
const METADATA_MAX_AGE_MS = 2_000;
/**
 * The least that brokers allow by default. kafkajs gives up a consumer that has lost a broker and makes another without
 * leaving the group: that one gets no partition until the session of the first is over (by default 30 s, and from the
 * beginning whenever the coordinator moves).
 */
const SESSION_MS = 6_000;

/**
 * What the Java, Go and Python programs named `traffic` do, with kafkajs and in this process: a producer of numbers, a
 * consumer in a group, and the same lines for what happens. The producer is not idempotent: what kafkajs calls so, and
 * experimental, sends a batch again under new sequence numbers after a failover (against Apache Kafka as well).
 */
export class KafkajsProgram {
  private readonly settings: ProgramArguments;
  private readonly say: (line: string) => void;
  private readonly producer: Producer;
  private readonly consumer: Consumer;
  /** By partition, the offset after the last record read, and the highest offset that was acknowledged. */
  private readonly positions = new Map<number, number>();
  private readonly committed = new Map<number, number>();
  private draining = false;
  private stopped = false;
  private work: Promise<unknown> = Promise.resolve();

  constructor(settings: ProgramArguments, say: (line: string) => void) {
    this.settings = settings;
    this.say = say;
    const kafka = new Kafka({
      brokers: settings.bootstrap.split(','),
      clientId: 'kafkajs-traffic',
      logLevel: logLevel.NOTHING,
      connectionTimeout: 1_000,
      requestTimeout: 5_000,
      retry: { retries: 200, initialRetryTime: 50, maxRetryTime: 300 },
    });
    this.producer = kafka.producer({ maxInFlightRequests: 1, metadataMaxAge: METADATA_MAX_AGE_MS });
    this.consumer = kafka.consumer({
      groupId: settings.group,
      maxWaitTimeInMs: 100,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: SESSION_MS,
      heartbeatInterval: 1_000,
    });
    this.consumer.on(this.consumer.events.CRASH, ({ payload }) => {
      this.say(`note\tconsumer: ${payload.error}, ${payload.restart ? 'starts anew' : 'ends'}`);
    });
    // commitOffsets resolves as well when it did nothing because the consumer starts anew: only this event says it.
    this.consumer.on(this.consumer.events.COMMIT_OFFSETS, ({ payload }) => {
      for (const { partition, offset } of payload.topics.flatMap(({ partitions }) => partitions)) {
        this.committed.set(partition, Number(offset));
        this.say(`committed\t${partition}\t${offset}`);
      }
    });
  }

  start(): void {
    this.work = Promise.all([this.produce(), this.consume()]);
    this.work.catch(error => this.say(`note\tended: ${error}`));
  }

  /** Ends the producer when what it has sent is answered. */
  drain(): void {
    this.draining = true;
  }

  /** Ends the consumer after a last commit. Rejects if producer or consumer failed. */
  async end(): Promise<void> {
    this.draining = true;
    this.stopped = true;
    await this.work;
  }

  /** Ends producer and consumer without waiting for what they do. */
  async abandon(): Promise<void> {
    this.draining = true;
    this.stopped = true;
    await Promise.race([
      Promise.allSettled([this.producer.disconnect(), this.consumer.disconnect()]),
      sleep(2_000, undefined, { ref: false }),
    ]);
  }

  private async produce(): Promise<void> {
    const { topic, partitions, perSecond } = this.settings;
    await this.producer.connect();
    let count = 0;
    const perTurn = Math.max(1, Math.round((perSecond * SEND_EVERY_MS) / 1000));
    while (!this.draining) {
      const dueAt = performance.now() + SEND_EVERY_MS;
      const numbers = Array.from({ length: perTurn }, () => count++);
      try {
        const answers = await this.producer.send({
          topic,
          acks: -1,
          messages: numbers.map(number => ({
            partition: number % partitions,
            key: `k${number % (4 * partitions)}`,
            value: `${number}`,
          })),
        });
        const next = new Map(answers.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]));
        for (const number of numbers) {
          const partition = number % partitions;
          const offset = next.get(partition);
          // kafkajs leaves out a partition of which it knew no leader: nobody has acknowledged that.
          if (offset === undefined) {
            this.say(`failed\t${number}\tno leader was known`);
            continue;
          }
          next.set(partition, offset + 1);
          this.say(`acked\t${partition}\t${offset}\t${number}`);
        }
      } catch (error) {
        for (const number of numbers) this.say(`failed\t${number}\t${error}`);
      }
      await sleep(Math.max(0, dueAt - performance.now()));
    }
    await this.producer.disconnect();
    this.say(`sent\t${count}`);
  }

  private async consume(): Promise<void> {
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [this.settings.topic], fromBeginning: true });
    await this.consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
        for (const message of batch.messages) {
          this.say(`read\t${batch.partition}\t${message.offset}\t${message.value?.toString()}`);
          const position = Math.max(Number(message.offset) + 1, this.positions.get(batch.partition) ?? 0);
          this.positions.set(batch.partition, position);
        }
        resolveOffset(batch.lastOffset());
        await heartbeat();
      },
    });
    while (!this.stopped) {
      await sleep(COMMIT_EVERY_MS);
      await this.commit();
    }
    await this.commit();
    // A consumer that is told to stop while kafkajs makes new fetchers, because a broker has come back, spins for ever:
    // by then it has seen them all.
    await sleep(2 * METADATA_MAX_AGE_MS);
    await this.consumer.disconnect();
  }

  private async commit(): Promise<void> {
    const { topic } = this.settings;
    const positions = [...this.positions].filter(
      ([partition, offset]) => offset > (this.committed.get(partition) ?? -1),
    );
    if (positions.length === 0) return;
    try {
      await this.consumer.commitOffsets(
        positions.map(([partition, offset]) => ({ topic, partition, offset: `${offset}` })),
      );
    } catch (error) {
      // A commit that was not acknowledged binds nobody; it is sent again with the next.
      this.say(`note\tconsumer: ${error}`);
    }
  }
}
