import { expect } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { RawClient } from '../server/raw-client.ts';
import { TestBroker } from '../support/test-broker.ts';

/**
 * What nothing that a client sends may cost others. The bound of the design is 50 ms; a test run beside others on a
 * small machine can tell seconds of work from none, not 50 ms from 100. On a machine at rest ask for the bound itself:
 * `ODRADEK_STALL_MAX_MS=50`. The attacker's own work in the test's process counts in it.
 */
const STALL_MAX_MS = Number(process.env['ODRADEK_STALL_MAX_MS'] ?? 1000);
const MIB = 1024 * 1024;

/** A broker with a topic `orders` of one partition, and the means to see that it came to no harm. */
export class HostileHarness {
  readonly broker: TestBroker;
  readonly logger: MemoryLogger;

  private constructor(broker: TestBroker, logger: MemoryLogger) {
    this.broker = broker;
    this.logger = logger;
  }

  static async start(properties: Readonly<Record<string, string>> = {}): Promise<HostileHarness> {
    const logger = new MemoryLogger();
    const broker = await TestBroker.start({ logger, properties });
    const client = await RawClient.connect(broker.port);
    const topics = [{ name: 'orders', numPartitions: 1, replicationFactor: 1 }];
    const created = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, {
      topics,
      timeoutMs: 5000,
    });
    expect(created!.topics[0]!.errorCode).toBe(0);
    client.close();
    return new HostileHarness(broker, logger);
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.broker.port);
  }

  get ordersId(): string {
    return this.broker.services.metadata().topics.topic('orders')!.id;
  }

  /**
   * Runs `attack` while another client asks and asks. Fails if that one waits too long, if memory grows by more than
   * `growthMaxMiB`, or if the broker reports an error of its own (X2, X9, X10).
   */
  async survives(attack: () => Promise<void>, growthMaxMiB = 32): Promise<void> {
    const bystander = await this.connect();
    const errorsBefore = this.logger.messages('error').length;
    const memoryBefore = process.memoryUsage().arrayBuffers;
    let memoryMax = memoryBefore;
    let slowestMs = 0;
    let done = false;
    const watching = (async () => {
      while (!done) {
        const startMs = performance.now();
        const answer = await bystander.ask([ApiVersionsRequest, ApiVersionsResponse], 0, {});
        expect(answer?.errorCode).toBe(0);
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
        memoryMax = Math.max(memoryMax, process.memoryUsage().arrayBuffers);
        await new Promise(resolve => setTimeout(resolve, 2));
      }
    })();
    try {
      await attack();
    } finally {
      done = true;
      await watching.finally(() => bystander.close());
    }
    expect(slowestMs).toBeLessThan(STALL_MAX_MS);
    expect((memoryMax - memoryBefore) / MIB).toBeLessThan(growthMaxMiB);
    expect(this.logger.entries.filter(entry => entry.level === 'error').slice(errorsBefore)).toEqual([]);
  }

  async close(): Promise<void> {
    await this.broker.close();
  }
}
