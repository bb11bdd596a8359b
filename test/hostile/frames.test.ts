import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { brokerHandlers } from '../../src/server/handlers/index.ts';
import { framed, requestFrame } from '../server/fake-network.ts';
import type { RawClient } from '../server/raw-client.ts';
import { HostileHarness } from './hostile-harness.ts';

/** Threat rows 1, 2, 3, 6 and 21: frames, headers and bodies that are not what they say. */

let harness: HostileHarness;

beforeAll(async () => {
  harness = await HostileHarness.start();
});

afterAll(async () => {
  await harness?.close();
});

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** A Metadata request whose body is `body`, whatever that is. */
function metadataFrame(version: number, body: Buffer): Buffer {
  const whole = requestFrame(MetadataRequest, version, { topics: [] }, 7);
  const headerBytes = version >= 9 ? 15 : 14;
  return framed(Buffer.concat([whole.subarray(4, 4 + headerBytes), body]));
}

async function expectClosedAfter(...bytes: Buffer[]): Promise<void> {
  const client = await harness.connect();
  client.send(...bytes);
  await client.expectClosed();
}

describe('lengths', () => {
  test.each([-1, -2147483648, 104857601, 2147483647])(
    'a frame of %i bytes closes its connection',
    async declared => {
      await harness.survives(() => expectClosedAfter(int32(declared), Buffer.alloc(100)));
    },
  );

  test('a hundred connections that declare 100 MiB each and send nothing cost next to nothing', async () => {
    const clients: RawClient[] = [];
    await harness.survives(async () => {
      for (let i = 0; i < 100; i++) {
        const client = await harness.connect();
        client.send(int32(100 * 1024 * 1024), Buffer.alloc(1000));
        clients.push(client);
      }
      await new Promise(resolve => setTimeout(resolve, 100));
    }, 16);
    expect(clients.every(client => !client.closed)).toBe(true);
    for (const client of clients) client.close();
  });

  test('an empty frame, and frames too short for a header', async () => {
    for (const size of [0, 1, 2, 4, 7, 8, 9]) await expectClosedAfter(framed(Buffer.alloc(size)));
  });

  test.each([
    ['an array of 2^31 - 1', 1, int32(2147483647)],
    ['an array of a million', 1, Buffer.concat([int32(1_000_000), Buffer.alloc(2000)])],
    ['an array of -2', 1, int32(-2)],
    ['a string longer than the frame', 1, Buffer.concat([int32(1), Buffer.from([0x7f, 0xff, 0x61])])],
    ['a string of length -2', 1, Buffer.concat([int32(1), Buffer.from([0xff, 0xfe])])],
    ['a null string where none may be', 1, Buffer.concat([int32(1), Buffer.from([0xff, 0xff])])],
    ['null topics in version 0', 0, int32(-1)],
    ['a compact array of 2^32 - 2', 9, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['a varint that does not end', 9, Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80])],
    ['a varint above 32 bits', 9, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['a compact null string where none may be', 9, Buffer.from([0x02, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00])],
    ['2^28 tagged fields', 9, Buffer.from([0x00, 0x01, 0x00, 0x00, 0xff, 0xff, 0xff, 0x7f])],
    [
      'a tagged field longer than the frame',
      9,
      Buffer.from([0x00, 0x01, 0x00, 0x00, 0x01, 0x05, 0xff, 0x7f]),
    ],
  ])('%s in a body closes the connection', async (_what, version, body) => {
    await harness.survives(() => expectClosedAfter(metadataFrame(version, body)));
  });
});

describe('headers and versions', () => {
  test('unknown APIs and versions close the connection', async () => {
    const frame = requestFrame(MetadataRequest, 9, { topics: null });
    for (const [apiKey, version] of [
      [-1, 0],
      [999, 0],
      [32767, 32767],
      [4, 0],
      [52, 0],
      [3, 99],
      [3, -1],
      [3, 32767],
    ] as const) {
      const bad = Buffer.from(frame);
      bad.writeInt16BE(apiKey, 4);
      bad.writeInt16BE(version, 6);
      await expectClosedAfter(bad);
    }
  });

  test.each([6, 99, 32767, -1])(
    'ApiVersions %i is answered in version 0 with UNSUPPORTED_VERSION',
    async version => {
      const client = await harness.connect();
      const frame = requestFrame(
        ApiVersionsRequest,
        3,
        { clientSoftwareName: 'a', clientSoftwareVersion: '1' },
        11,
      );
      frame.writeInt16BE(version, 6);
      client.send(frame);
      const answer = (await client.receive())!;
      expect(answer.readInt32BE(0)).toBe(11);
      expect(answer.readInt16BE(4)).toBe(35);
      // The same connection goes on.
      expect((await client.ask([ApiVersionsRequest, ApiVersionsResponse], 0, {}))!.errorCode).toBe(0);
      client.close();
    },
  );

  test('a client id may be null, empty, long or strange', async () => {
    for (const clientId of [
      null,
      '',
      '__proto__',
      'constructor',
      '../x',
      '😀'.repeat(50),
      'x'.repeat(32767),
      '\u0000\n',
    ]) {
      const client = await harness.connect();
      const answer = await client.ask([MetadataRequest, MetadataResponse], 9, { topics: [] }, clientId);
      expect(answer!.brokers).toHaveLength(1);
      client.close();
    }
  });

  test('a client id longer than the frame, or of length -2, closes the connection', async () => {
    for (const length of [0x7fff, -2]) {
      const frame = requestFrame(MetadataRequest, 1, { topics: null }, 1, 'abc');
      frame.writeInt16BE(length, 12);
      await expectClosedAfter(frame);
    }
  });
});

describe('bodies', () => {
  test('one byte too many closes the connection, for every API and version', async () => {
    for (const { request, minVersion, maxVersion, apiKey } of brokerHandlers) {
      for (let version = minVersion; version <= maxVersion; version++) {
        // A short body of zeros, then cut: what is left over or missing must close, whatever the API.
        const header = requestFrame(MetadataRequest, request.flexible.min <= version ? 9 : 1, {
          topics: null,
        });
        const headerBytes = request.flexible.min <= version && version <= request.flexible.max ? 15 : 14;
        const frame = Buffer.concat([header.subarray(4, 4 + headerBytes), Buffer.alloc(200)]);
        frame.writeInt16BE(apiKey, 0);
        frame.writeInt16BE(version, 2);
        const client = await harness.connect();
        client.send(framed(frame));
        await client.expectClosed();
      }
    }
  });

  test('a request cut at every byte closes the connection', async () => {
    const whole = requestFrame(MetadataRequest, 9, { topics: [{ name: 'orders' }] }).subarray(4);
    await harness.survives(async () => {
      for (let size = 0; size < whole.length; size++)
        await expectClosedAfter(framed(whole.subarray(0, size)));
    });
  });

  test('a request that comes byte by byte is answered', async () => {
    const client = await harness.connect();
    for (const byte of requestFrame(MetadataRequest, 9, { topics: null })) {
      client.send(Buffer.from([byte]));
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(await client.receive()).toBeDefined();
    client.close();
  });

  test('noise of many connections closes these and no other', async () => {
    let state = 12345;
    const next = (bound: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % bound;
    };
    await harness.survives(async () => {
      for (let i = 0; i < 200; i++) {
        const noise = Buffer.from(Array.from({ length: 8 + next(100) }, () => next(256)));
        noise.writeInt16BE(next(100), 0);
        noise.writeInt16BE(next(12), 2);
        const client = await harness.connect();
        client.send(framed(noise), int32(-1));
        // Noise may be a request by chance; the length behind it is not.
        while ((await client.receive()) !== undefined);
      }
    });
  });
});

describe('the log under a flood of bad requests', () => {
  test('holds few lines', () => {
    const lines = harness.logger.messages('warn').filter(message => message.includes('bad request'));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(20);
  });
});
