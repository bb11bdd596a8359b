import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Input, Message } from '../../src/protocol/schema.ts';
import { brokerHandlers } from '../../src/server/handlers/index.ts';
import { requestFrame } from '../server/fake-network.ts';
import { sampleRequest } from '../server/sample-request.ts';
import { HostileHarness } from './hostile-harness.ts';

/** Threat row 21: memory that was not cleared reaches no answer. */

/** What memory that is handed out uncleared holds in this test. */
const POISON = Buffer.from('5ec2e75ec2e75ec2e75ec2e7', 'hex');

let harness: HostileHarness;
const { allocUnsafe, allocUnsafeSlow } = Buffer;

beforeAll(async () => {
  harness = await HostileHarness.start();
  Buffer.allocUnsafe = size => allocUnsafe(size).fill(POISON);
  Buffer.allocUnsafeSlow = size => allocUnsafeSlow(size).fill(POISON);
});

afterAll(async () => {
  Buffer.allocUnsafe = allocUnsafe;
  Buffer.allocUnsafeSlow = allocUnsafeSlow;
  await harness?.close();
});

/** A run of the poison, in whatever phase. */
function holdsPoison(bytes: Buffer): boolean {
  return [0, 1, 2].some(phase => bytes.includes(POISON.subarray(phase, phase + 6)));
}

describe('uncleared memory', () => {
  test('is seen by this test where it is', () => {
    expect(holdsPoison(Buffer.concat([Buffer.from('x'), Buffer.allocUnsafe(20)]))).toBe(true);
    expect(holdsPoison(Buffer.alloc(20))).toBe(false);
  });

  test.each(brokerHandlers.map(handler => [handler.name, handler] as const))(
    'is in no answer of %s',
    async (_name, handler) => {
      for (let version = handler.minVersion; version <= handler.maxVersion; version++) {
        const client = await harness.connect();
        const body = sampleRequest(handler.request, version, harness.ordersId) as Input<Message>;
        client.send(requestFrame(handler.request, version, body));
        const answer = await client.receive();
        expect(answer).toBeDefined();
        expect(holdsPoison(answer!)).toBe(false);
        client.close();
      }
    },
  );
});
