import { afterEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { checkAdvertisedListeners } from '../../src/server/advertised-listener-check.ts';
import { TestBroker } from '../support/test-broker.ts';

let broker: TestBroker;

afterEach(async () => {
  await broker?.close();
});

async function check(port: number, nodeId = 1): Promise<MemoryLogger> {
  const { clusterId } = broker.services;
  const identity = {
    nodeId,
    clusterId,
    directoryIds: new Map(),
    unreadable: new Map(),
    incarnationId: clusterId,
  };
  const logger = new MemoryLogger();
  const addresses = [{ listenerName: 'PLAINTEXT', host: '127.0.0.1', port }];
  await checkAdvertisedListeners(new NodeRuntime(), logger, identity, addresses);
  return logger;
}

describe('the check of advertised addresses', () => {
  test('says nothing where the broker finds itself, and what is wrong where it does not', async () => {
    broker = await TestBroker.start();
    expect((await check(broker.port)).entries).toEqual([]);
    const nobody = (await check(1)).entries[0]!;
    expect(nobody).toMatchObject({
      level: 'warn',
      fields: { listener: 'PLAINTEXT', address: '127.0.0.1:1' },
    });
    expect(nobody.fields['problem']).toContain('ECONNREFUSED');
    expect(nobody.fields['advice']).toContain('advertised.listeners');
    const other = (await check(broker.port, 2)).entries[0]!;
    expect(other.fields['problem']).toBe('another node or another cluster answers there');
  });

  test('a broker starts with an address that is wrong, and warns', async () => {
    const logger = new MemoryLogger();
    broker = await TestBroker.start({
      logger,
      properties: { 'advertised.listeners': 'PLAINTEXT://127.0.0.1:1' },
    });
    const deadline = performance.now() + 10_000;
    while (logger.messages('warn').length === 0 && performance.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    expect(logger.messages('warn')).toEqual([
      'this broker does not find itself at an address that it advertises',
    ]);
  });
});
