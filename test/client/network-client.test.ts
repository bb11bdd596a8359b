import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../src/base/byte-reader.ts';
import { ByteWriter } from '../../src/base/byte-writer.ts';
import { MemoryLogger, silentLogger } from '../../src/base/logger.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { type Api, ConnectionRefusedError, NetworkClient } from '../../src/client/network-client.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { VoteRequest, VoteResponse } from '../../src/protocol/messages/52-vote.ts';
import { RequestHeader } from '../../src/protocol/records/data.ts';
import { type Input, inVersions, type Message } from '../../src/protocol/schema.ts';
import type { Runtime, Socket } from '../../src/runtime/runtime.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { freePort } from '../support/free-ports.ts';
import { FakeSocket, framed } from '../server/fake-network.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

const HEARTBEAT: Api<typeof HeartbeatRequest, typeof HeartbeatResponse> = {
  request: HeartbeatRequest,
  response: HeartbeatResponse,
};
const FETCH: Api<typeof FetchRequest, typeof FetchResponse> = {
  request: FetchRequest,
  response: FetchResponse,
};
const VOTE: Api<typeof VoteRequest, typeof VoteResponse> = { request: VoteRequest, response: VoteResponse };
const ADDRESS = { host: 'peer', port: 9093 };
const ALL_VERSIONS = [
  { apiKey: 1, minVersion: 4, maxVersion: 18 },
  { apiKey: 12, minVersion: 0, maxVersion: 4 },
  { apiKey: 18, minVersion: 0, maxVersion: 5 },
  { apiKey: 52, minVersion: 0, maxVersion: 1 },
];

/** A framed response. */
function answer<M extends Message>(
  message: M,
  version: number,
  body: Input<M>,
  correlationId: number,
): Buffer {
  const writer = new ByteWriter();
  writer.int32(correlationId);
  if (message.apiKey !== 18 && inVersions(message.flexible, version)) writer.uvarint(0);
  codecOf(message, version).encode(writer, body);
  return framed(writer.concat());
}

/** What a request says in its header. */
function headerOf(bytes: Buffer): { apiKey: number; version: number; correlationId: number; size: number } {
  return {
    size: bytes.readInt32BE(0),
    apiKey: bytes.readInt16BE(4),
    version: bytes.readInt16BE(6),
    correlationId: bytes.readInt32BE(8),
  };
}

/** A client whose peer is in the hands of the test. */
class Harness {
  readonly manual = new ManualRuntime();
  readonly logger = new MemoryLogger();
  readonly sockets: FakeSocket[] = [];
  /** Connects that wait for the test, if it wants them to. */
  readonly pending: { resolve(socket: Socket): void; reject(error: Error): void }[] = [];
  connects: { host: string; port: number; timeoutMs: number }[] = [];
  refuse: Error | undefined;
  manualConnect = false;
  readonly client: NetworkClient;

  constructor(maxFrameBytes = 1024) {
    const runtime = {
      ...this.manual,
      network: {
        connect: (options: { host: string; port: number; timeoutMs: number }) => {
          this.connects.push(options);
          if (this.refuse !== undefined) return Promise.reject(this.refuse);
          if (this.manualConnect) {
            return new Promise<Socket>((resolve, reject) => this.pending.push({ resolve, reject }));
          }
          const socket = new FakeSocket();
          this.sockets.push(socket);
          return Promise.resolve(socket);
        },
      },
    } as unknown as Runtime;
    this.client = new NetworkClient(runtime, this.logger, {
      clientId: 'tester',
      connectTimeoutMs: 1000,
      maxFrameBytes,
    });
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  /** What was written last. */
  get last(): Buffer {
    return this.socket.writes.at(-1)!;
  }

  heartbeat(timeoutMs = 500, groupId = 'g'): Promise<{ errorCode: number }> {
    return this.client.send(ADDRESS, HEARTBEAT, { groupId, memberId: 'm' }, { timeoutMs });
  }

  /** Answers the exchange of versions. */
  async handshake(apiKeys = ALL_VERSIONS): Promise<void> {
    await turns();
    const { version, correlationId } = headerOf(this.last);
    this.socket.receive(answer(ApiVersionsResponse, version, { apiKeys }, correlationId));
    await turns();
  }

  answerHeartbeat(written: Buffer, errorCode: number): void {
    const { version, correlationId } = headerOf(written);
    this.socket.receive(answer(HeartbeatResponse, version, { errorCode }, correlationId));
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
}

/** The error that a request ended with. */
async function failure(promise: Promise<unknown>): Promise<KafkaError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KafkaError);
  return error as KafkaError;
}

describe('a connection of NetworkClient', () => {
  it('asks which versions the peer speaks, once, and then sends what waits at the highest common one', async () => {
    const harness = new Harness();
    expect(harness.client.versionsOf(ADDRESS)).toBeUndefined();
    const [first, second] = [harness.heartbeat(), harness.heartbeat()];
    await turns();
    expect(harness.client.versionsOf(ADDRESS)).toBeUndefined();
    expect(harness.connects).toEqual([{ ...ADDRESS, timeoutMs: 1000 }]);
    expect(harness.socket.writes.map(headerOf)).toMatchObject([
      { apiKey: 18, version: ApiVersionsRequest.maxVersion },
    ]);
    await harness.handshake();
    expect(harness.client.versionsOf(ADDRESS)?.get(52)).toEqual({ minVersion: 0, maxVersion: 1 });
    const [, ...sent] = harness.socket.writes;
    expect(sent.map(headerOf)).toMatchObject([
      { apiKey: 12, version: 4, size: sent[0]!.length - 4 },
      { apiKey: 12, version: 4 },
    ]);
    harness.answerHeartbeat(sent[0]!, 1);
    harness.answerHeartbeat(sent[1]!, 2);
    expect([await first, await second]).toMatchObject([{ errorCode: 1 }, { errorCode: 2 }]);
    expect(harness.sockets).toHaveLength(1);
  });

  it('names its client in the header of each request', async () => {
    const harness = new Harness();
    void harness.heartbeat().catch(() => {});
    await harness.handshake();
    const reader = new ByteReader(harness.last, 4);
    expect(codecOf(RequestHeader, 2).decode(reader)).toMatchObject({ requestApiKey: 12, clientId: 'tester' });
  });

  it('asks again at the version that a peer names, or at 0, where it does not know ours', async () => {
    for (const [named, expected] of [
      [3, 3],
      [ApiVersionsRequest.maxVersion, 0],
      [undefined, 0],
    ] as const) {
      const harness = new Harness();
      const request = harness.heartbeat();
      await turns();
      const apiKeys = named === undefined ? [] : [{ apiKey: 18, minVersion: 0, maxVersion: named }];
      const { correlationId } = headerOf(harness.last);
      const refusal = { errorCode: Errors.UNSUPPORTED_VERSION, apiKeys };
      harness.socket.receive(answer(ApiVersionsResponse, 0, refusal, correlationId));
      expect(headerOf(harness.last)).toMatchObject({ apiKey: 18, version: expected });
      await harness.handshake();
      harness.answerHeartbeat(harness.last, 0);
      expect(await request).toMatchObject({ errorCode: 0 });
    }
  });

  it('gives up on a peer that refuses version 0 of ApiVersions too', async () => {
    const harness = new Harness();
    const request = harness.heartbeat();
    await turns();
    for (let round = 0; round < 2; round++) {
      const refusal = { errorCode: Errors.UNSUPPORTED_VERSION };
      harness.socket.receive(answer(ApiVersionsResponse, 0, refusal, headerOf(harness.last).correlationId));
    }
    expect((await failure(request)).code).toBe(Errors.NETWORK_EXCEPTION);
    expect(harness.socket.destroyed).toBe(true);
  });

  it('makes the body for the version, and sends nothing above the one that the caller allows', async () => {
    const harness = new Harness();
    const versions: number[] = [];
    const body = (version: number) => {
      versions.push(version);
      return { groupId: 'g', memberId: 'm' };
    };
    void harness.client.send(ADDRESS, HEARTBEAT, body, { timeoutMs: 10, maxVersion: 2 }).catch(() => {});
    void harness.client.send(ADDRESS, HEARTBEAT, body, { timeoutMs: 10 }).catch(() => {});
    await harness.handshake();
    expect(versions).toEqual([2, 4]);
  });

  it('rejects what the body throws, and what a version cannot carry, and goes on with the next request', async () => {
    const harness = new Harness();
    const thrown = harness.client.send(
      ADDRESS,
      VOTE,
      version => {
        throw new KafkaError(Errors.UNSUPPORTED_VERSION, `no pre-vote in version ${version}`);
      },
      { timeoutMs: 100 },
    );
    const uncarried = harness.client.send(
      ADDRESS,
      VOTE,
      { topics: [{ topicName: 't', partitions: [{ preVote: true }] }] },
      { timeoutMs: 100 },
    );
    void uncarried.catch(() => {});
    const next = harness.heartbeat();
    expect((await Promise.all([failure(thrown), harness.handshake()]))[0].message).toBe(
      'no pre-vote in version 1',
    );
    await expect(uncarried).rejects.toThrow(/preVote/);
    expect(harness.socket.writes).toHaveLength(2);
    harness.answerHeartbeat(harness.last, 0);
    expect(await next).toMatchObject({ errorCode: 0 });
  });

  it('refuses an API or a version that the peer does not serve, with both ranges in words', async () => {
    const harness = new Harness();
    const unserved = harness.heartbeat();
    const tooNew = harness.client.send(ADDRESS, FETCH, {}, { timeoutMs: 100, maxVersion: 3 });
    const tooOld = harness.client.send(ADDRESS, FETCH, {}, { timeoutMs: 100, minVersion: 19 });
    const [first, second, third] = await Promise.all([
      failure(unserved),
      failure(tooNew),
      failure(tooOld),
      harness.handshake([{ apiKey: 1, minVersion: 4, maxVersion: 18 }]),
    ]);
    expect(first.code).toBe(Errors.UNSUPPORTED_VERSION);
    expect(first.message).toBe('peer:9093 does not serve HeartbeatRequest');
    expect(second.message).toContain('serves FetchRequest in versions 4 to 18');
    expect(third.message).toContain('needs one of 19 to');
    expect(harness.socket.destroyed).toBe(false);
  });

  it('takes an answer in pieces of any size', async () => {
    const harness = new Harness();
    const request = harness.heartbeat();
    await harness.handshake();
    const { version, correlationId } = headerOf(harness.last);
    for (const byte of answer(HeartbeatResponse, version, { errorCode: 7 }, correlationId)) {
      harness.socket.receive(Buffer.of(byte));
    }
    expect(await request).toMatchObject({ errorCode: 7 });
  });

  it('skips tagged fields in the header of an answer', async () => {
    const harness = new Harness();
    const request = harness.heartbeat();
    await harness.handshake();
    const { correlationId } = headerOf(harness.last);
    const writer = new ByteWriter();
    writer.int32(correlationId);
    writer.uvarint(1);
    writer.uvarint(9);
    writer.uvarint(3);
    writer.bytes(Buffer.from('abc'));
    codecOf(HeartbeatResponse, 4).encode(writer, { errorCode: 3 });
    harness.socket.receive(framed(writer.concat()));
    expect(await request).toMatchObject({ errorCode: 3 });
  });

  it('gives records as a view of the frame that they came in', async () => {
    const harness = new Harness(1024 * 1024);
    const request = harness.client.send(ADDRESS, FETCH, {}, { timeoutMs: 1000 });
    await harness.handshake();
    const { version, correlationId } = headerOf(harness.last);
    const records = Buffer.alloc(100_000, 'r');
    const partitions = [{ records }];
    const bytes = answer(
      FetchResponse,
      version,
      { responses: [{ topicId: ZERO_UUID, partitions }] },
      correlationId,
    );
    harness.socket.receive(bytes);
    const received = (await request).responses[0]!.partitions[0]!.records!;
    expect(received.equals(records)).toBe(true);
    expect(received.buffer.byteLength).toBe(bytes.length - 4);
  });
});

describe('a connection that fails', () => {
  it('rejects what waits when the address cannot be reached, and the next request tries again', async () => {
    const harness = new Harness();
    harness.refuse = new Error('ECONNREFUSED');
    const error = await failure(harness.heartbeat());
    expect(error.code).toBe(Errors.NETWORK_EXCEPTION);
    expect(error.message).toBe('peer:9093 cannot be reached: ECONNREFUSED');
    harness.refuse = undefined;
    const request = harness.heartbeat();
    await harness.handshake();
    harness.answerHeartbeat(harness.last, 0);
    await request;
    expect(harness.connects).toHaveLength(2);
  });

  it('tells whether it was refused by a host where nobody listens, which a real one says', async () => {
    const harness = new Harness();
    harness.refuse = new Error('no route');
    expect(await failure(harness.heartbeat())).not.toBeInstanceOf(ConnectionRefusedError);
    const client = new NetworkClient(new NodeRuntime(), silentLogger, {
      clientId: 'tester',
      connectTimeoutMs: 10_000,
      maxFrameBytes: 1024,
    });
    for (const host of ['127.0.0.1', 'localhost']) {
      const api = { request: HeartbeatRequest, response: HeartbeatResponse };
      const to = { host, port: await freePort() };
      const error = await failure(client.send(to, api, {}, { timeoutMs: 10_000 }));
      expect(error).toBeInstanceOf(ConnectionRefusedError);
      expect(error.code).toBe(Errors.NETWORK_EXCEPTION);
    }
    client.close();
  });

  it('rejects what is in flight when the peer closes, and opens another on the next request', async () => {
    const harness = new Harness();
    const request = harness.heartbeat();
    await harness.handshake();
    harness.socket.destroy();
    expect((await failure(request)).code).toBe(Errors.NETWORK_EXCEPTION);
    expect(harness.client.versionsOf(ADDRESS)).toBeUndefined();
    void harness.heartbeat().catch(() => {});
    await turns();
    expect(harness.sockets).toHaveLength(2);
  });

  it('closes when an answer does not come in time, as the answers behind it could not be told apart', async () => {
    const harness = new Harness();
    const slow = harness.heartbeat(500);
    const behind = harness.heartbeat(5000);
    await harness.handshake();
    harness.manual.advance(499);
    expect(harness.socket.destroyed).toBe(false);
    harness.manual.advance(1);
    expect((await failure(slow)).code).toBe(Errors.REQUEST_TIMED_OUT);
    expect((await failure(behind)).code).toBe(Errors.REQUEST_TIMED_OUT);
    expect(harness.socket.destroyed).toBe(true);
  });

  it('does not close for deadlines of requests that were answered', async () => {
    const harness = new Harness();
    const first = harness.heartbeat(500);
    await harness.handshake();
    harness.answerHeartbeat(harness.last, 0);
    await first;
    const second = harness.heartbeat(2000);
    await turns();
    harness.manual.advance(1500);
    expect(harness.socket.destroyed).toBe(false);
    harness.manual.advance(500);
    expect((await failure(second)).code).toBe(Errors.REQUEST_TIMED_OUT);
  });

  it('lets a request time out while the connection is being made, without giving the connection up', async () => {
    const harness = new Harness();
    harness.manualConnect = true;
    const hasty = harness.heartbeat(100);
    const patient = harness.heartbeat(900);
    harness.manual.advance(100);
    expect((await failure(hasty)).code).toBe(Errors.REQUEST_TIMED_OUT);
    const socket = new FakeSocket();
    harness.sockets.push(socket);
    harness.pending[0]!.resolve(socket);
    await harness.handshake();
    harness.answerHeartbeat(harness.last, 0);
    expect(await patient).toMatchObject({ errorCode: 0 });
    expect(harness.connects).toHaveLength(1);
  });

  it('closes when the peer takes the connection and never says which versions it speaks', async () => {
    const harness = new Harness();
    const request = harness.heartbeat(5000);
    await turns();
    harness.manual.advance(1000);
    expect((await failure(request)).code).toBe(Errors.REQUEST_TIMED_OUT);
    expect(harness.socket.destroyed).toBe(true);
  });
});

describe('a hostile peer', () => {
  const attacks: readonly [string, (written: Buffer) => Buffer][] = [
    ['a frame above the limit', () => Buffer.from('7fffffff', 'hex')],
    ['a negative length', () => Buffer.from('ffffffff', 'hex')],
    ['a frame without a correlation id', () => framed(Buffer.from([1]))],
    [
      'another correlation id',
      written => answer(HeartbeatResponse, 4, { errorCode: 0 }, headerOf(written).correlationId + 1),
    ],
    [
      'a body that ends early',
      written => {
        const whole = answer(HeartbeatResponse, 4, { errorCode: 0 }, headerOf(written).correlationId);
        return framed(whole.subarray(4, whole.length - 3));
      },
    ],
    [
      'bytes behind the body',
      written => {
        const whole = answer(HeartbeatResponse, 4, { errorCode: 0 }, headerOf(written).correlationId);
        return framed(Buffer.concat([whole.subarray(4), Buffer.alloc(3)]));
      },
    ],
  ];
  for (const [name, attack] of attacks) {
    it(`${name} ends the connection, with a line that names the peer`, async () => {
      const harness = new Harness();
      const request = harness.heartbeat();
      await harness.handshake();
      harness.socket.receive(attack(harness.last));
      expect((await failure(request)).code).toBe(Errors.NETWORK_EXCEPTION);
      expect(harness.socket.destroyed).toBe(true);
      expect(harness.logger.entries).toMatchObject([{ level: 'warn', fields: { host: 'peer', port: 9093 } }]);
    });
  }

  it('may not answer what was not asked', async () => {
    const harness = new Harness();
    const request = harness.heartbeat();
    await harness.handshake();
    const { correlationId } = headerOf(harness.last);
    const once = answer(HeartbeatResponse, 4, { errorCode: 0 }, correlationId);
    harness.socket.receive(Buffer.concat([once, once]));
    expect(await request).toMatchObject({ errorCode: 0 });
    expect(harness.socket.destroyed).toBe(true);
  });

  it('makes the client keep no more than has arrived of a frame', async () => {
    const harness = new Harness(100 * 1024 * 1024);
    void harness.heartbeat().catch(() => {});
    await harness.handshake();
    const before = process.memoryUsage().arrayBuffers;
    const header = Buffer.alloc(4);
    header.writeInt32BE(100 * 1024 * 1024);
    harness.socket.receive(header, Buffer.alloc(100));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });
});

describe('NetworkClient', () => {
  it('has one connection for each address', async () => {
    const harness = new Harness();
    void harness.heartbeat().catch(() => {});
    void harness.client.send({ host: 'other', port: 1 }, HEARTBEAT, {}, { timeoutMs: 10 }).catch(() => {});
    await turns();
    expect(harness.connects.map(({ host }) => host)).toEqual(['peer', 'other']);
  });

  it('rejects everything when it is closed, and whatever comes later', async () => {
    const harness = new Harness();
    const inFlight = harness.heartbeat();
    await harness.handshake();
    harness.client.close();
    expect((await failure(inFlight)).code).toBe(Errors.NETWORK_EXCEPTION);
    expect((await failure(harness.heartbeat())).code).toBe(Errors.NETWORK_EXCEPTION);
    expect(harness.socket.destroyed).toBe(true);
  });

  it('destroys a connection that is made after it was closed', async () => {
    const harness = new Harness();
    harness.manualConnect = true;
    const request = harness.heartbeat();
    harness.client.close();
    await failure(request);
    const socket = new FakeSocket();
    harness.pending[0]!.resolve(socket);
    await turns();
    expect(socket.destroyed).toBe(true);
    expect(socket.writes).toEqual([]);
  });

  it('disconnects one address and stays good for it', async () => {
    const harness = new Harness();
    const request = harness.heartbeat();
    await harness.handshake();
    harness.client.disconnect({ ...ADDRESS });
    expect((await failure(request)).code).toBe(Errors.NETWORK_EXCEPTION);
    const next = harness.heartbeat();
    await harness.handshake();
    harness.answerHeartbeat(harness.last, 0);
    await next;
  });

  it('speaks over real connections', async () => {
    const runtime = new NodeRuntime();
    const server = await runtime.network.listen({ host: '127.0.0.1', port: 0, backlog: 5 }, socket => {
      socket.setHandlers({
        onData(chunk) {
          // Requests of this test are small: each comes in one piece or several whole ones.
          for (let at = 0; at < chunk.length; at += 4 + chunk.readInt32BE(at)) {
            const { apiKey, version, correlationId } = headerOf(chunk.subarray(at));
            socket.write([
              apiKey === 18
                ? answer(ApiVersionsResponse, version, { apiKeys: ALL_VERSIONS }, correlationId)
                : answer(HeartbeatResponse, version, { errorCode: correlationId }, correlationId),
            ]);
          }
        },
        onDrain() {},
        onClose() {},
      });
      socket.resume();
    });
    const options = { clientId: 'tester', connectTimeoutMs: 10_000, maxFrameBytes: 1024 };
    const client = new NetworkClient(runtime, silentLogger, options);
    const to = { host: '127.0.0.1', port: server.port };
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => client.send(to, HEARTBEAT, {}, { timeoutMs: 10_000 })),
    );
    expect(answers.map(({ errorCode }) => errorCode)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    client.close();
    await server.close();
    const nobody = new NetworkClient(runtime, silentLogger, options);
    const error = await failure(nobody.send(to, HEARTBEAT, {}, { timeoutMs: 10_000 }));
    expect(error.code).toBe(Errors.NETWORK_EXCEPTION);
  });
});
