import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { MetadataRequest } from '../../src/protocol/messages/03-metadata.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { requestFrame } from '../server/fake-network.ts';
import { HostileHarness } from './hostile-harness.ts';

/** Threat rows 7, 8, 10, 25 and 26: connections that are many, slow, half open, or do not read. */

let harness: HostileHarness;

beforeAll(async () => {
  harness = await HostileHarness.start({
    'connections.max.idle.ms': '1500',
    'max.connections.per.ip': '600',
  });
});

afterAll(async () => {
  await harness?.close();
});

function open(): Promise<Socket> {
  const socket = connect({ port: harness.broker.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  return once(socket, 'connect').then(() => socket);
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

describe('connections', () => {
  test('500 that say nothing cost little, and are closed when they have been idle', async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    await harness.survives(async () => {
      for (let i = 0; i < 500; i++) {
        const socket = await open();
        socket.on('close', () => closed++);
        sockets.push(socket);
      }
      while (closed < sockets.length) await pause(50);
    }, 40);
  });

  test('those above the limit of their address are closed at once, the others go on', async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    await harness.survives(async () => {
      for (let i = 0; i < 620; i++) {
        const socket = await open();
        socket.on('close', () => closed++);
        sockets.push(socket);
      }
      while (closed < 20) await pause(20);
      expect(closed).toBeLessThan(600);
    }, 40);
    for (const socket of sockets) socket.destroy();
    await pause(50);
  });

  test('a frame that never gets whole closes when the connection is idle', async () => {
    const socket = await open();
    socket.write(requestFrame(MetadataRequest, 9, { topics: null }).subarray(0, 10));
    await once(socket, 'close');
  });

  test('a peer that has sent its end is let go', async () => {
    const socket = await open();
    socket.end();
    await Promise.race([
      once(socket, 'close'),
      pause(3000).then(() => Promise.reject(new Error('still open'))),
    ]);
  });

  test('a peer that resets in the middle of everything harms nobody', async () => {
    await harness.survives(async () => {
      for (let i = 0; i < 50; i++) {
        const socket = await open();
        const fetch = requestFrame(FetchRequest, 4, {
          maxWaitMs: 10_000,
          minBytes: 1,
          topics: [
            { topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] },
          ],
        });
        socket.write(
          Buffer.concat([requestFrame(MetadataRequest, 9, { topics: null }), fetch, fetch.subarray(0, 20)]),
        );
        socket.resetAndDestroy();
      }
      await pause(100);
    });
  });

  test('a peer that asks for much and reads nothing is not served beyond a bound', async () => {
    const client = await harness.connect();
    const value = Buffer.alloc(900_000, 1);
    for (let i = 0; i < 20; i++) {
      const records = new RecordBatchBuilder({}).append({ timestamp: Date.now(), key: null, value }).build();
      const topicData = [{ name: 'orders', partitionData: [{ index: 0, records }] }];
      const answer = await client.ask([ProduceRequest, ProduceResponse], 9, {
        acks: 1,
        timeoutMs: 5000,
        topicData,
      });
      expect(answer!.responses[0]!.partitionResponses[0]!.errorCode).toBe(0);
    }
    client.close();
    const fetch = requestFrame(FetchRequest, 11, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: 20_000_000,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        { topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 20_000_000 }] },
      ],
    });
    // 60 requests for 18 MB each: served all at once they would be a gigabyte.
    await harness.survives(async () => {
      const socket = await open();
      socket.pause();
      socket.write(Buffer.concat(Array.from({ length: 60 }, () => fetch)));
      await pause(700);
      socket.destroy();
    }, 120);
  });

  test('a flood of small requests on one connection does not keep others waiting', async () => {
    await harness.survives(async () => {
      const socket = await open();
      let received = 0;
      socket.on('data', chunk => {
        received += chunk.length;
      });
      const frame = requestFrame(MetadataRequest, 9, { topics: null });
      const many = Buffer.concat(Array.from({ length: 2000 }, () => frame));
      for (let i = 0; i < 10; i++) socket.write(many);
      const answer = 4 + 4 + 1;
      while (received < 20_000 * answer) await pause(20);
      socket.destroy();
    });
  });

  test('the answer to a fetch holds nothing but what was written', async () => {
    const client = await harness.connect();
    const answer = await client.ask([FetchRequest, FetchResponse], 4, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: 1000,
      topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    });
    const records = answer!.responses[0]!.partitions[0]!.records!;
    expect(records.subarray(100, -100).every(byte => byte === 1)).toBe(true);
    client.close();
  });
});
