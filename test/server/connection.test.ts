import { beforeEach, describe, expect, test } from 'vitest';
import { LimitedLogger, MemoryLogger } from '../../src/base/logger.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import type { BrokerServices } from '../../src/server/broker-services.ts';
import { Connection } from '../../src/server/connection.ts';
import { defineHandler, type RequestContext } from '../../src/server/handler.ts';
import { HandlerTable } from '../../src/server/handler-table.ts';
import { RequestRouter } from '../../src/server/request-router.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { correlationIds, FakeSocket, framed, requestFrame, responseBody } from './fake-network.ts';

interface Waiting {
  readonly context: RequestContext;
  resolve(answer: { errorCode?: number; throttleTimeMs?: number } | undefined): void;
  reject(error: unknown): void;
}

let runtime: ManualRuntime;
let socket: FakeSocket;
let logger: MemoryLogger;
let connection: Connection;
/** Heartbeats that have started and wait for the test to answer them. */
let waiting: Waiting[];
let fetches: Waiting[];
let closed: boolean;
/** What the handlers of this test do. */
let onApiVersions: () => { errorCode: number };
let onProduce: (context: RequestContext) => Promise<undefined> | undefined;

const heartbeat = defineHandler({
  request: HeartbeatRequest,
  response: HeartbeatResponse,
  authorize: [],
  handle: context => new Promise((resolve, reject) => waiting.push({ context, resolve, reject })),
});
const fetch = defineHandler({
  request: FetchRequest,
  response: FetchResponse,
  largeAnswers: true,
  authorize: [],
  handle: context => new Promise((resolve, reject) => fetches.push({ context, resolve, reject })),
});
const apiVersions = defineHandler({
  request: ApiVersionsRequest,
  response: ApiVersionsResponse,
  authorize: [],
  handle: () => onApiVersions(),
});
const produce = defineHandler({
  request: ProduceRequest,
  response: ProduceResponse,
  authorize: [],
  handle: context => onProduce(context),
});

const LOCAL = { host: '10.0.0.200', port: 9092 };

function beat(correlationId: number): Buffer {
  return requestFrame(HeartbeatRequest, 4, { groupId: 'g', memberId: 'm' }, correlationId);
}

/** Lets promises that are settled run their continuations. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

beforeEach(() => {
  runtime = new ManualRuntime();
  socket = new FakeSocket();
  logger = new MemoryLogger();
  waiting = [];
  fetches = [];
  closed = false;
  onApiVersions = () => ({ errorCode: 0 });
  onProduce = () => undefined;
  const limited = new LimitedLogger(logger, () => runtime.nowMs, 10_000);
  const table = new HandlerTable([heartbeat, fetch, apiVersions, produce]);
  connection = new Connection(
    runtime,
    socket,
    {
      listenerName: 'PLAINTEXT',
      listenerKind: 'broker',
      clientAddress: '10.0.0.1',
      localAddress: LOCAL,
      connectionId: 'c-1',
    },
    {
      router: new RequestRouter(table, {} as BrokerServices, limited),
      logger: limited,
      options: { maxFrameBytes: 1000, maxIdleMs: 60_000 },
      isServing: true,
      onClosed: () => {
        closed = true;
      },
    },
  );
});

describe('the order of a connection', () => {
  test('requests start at once and in order, answers leave in the order of the requests', async () => {
    socket.receive(Buffer.concat([beat(1), beat(2), beat(3)]));
    expect(waiting.map(each => each.context.correlationId)).toEqual([1, 2, 3]);
    waiting[2]!.resolve({});
    waiting[1]!.resolve({});
    await settle();
    expect(socket.writes).toEqual([]);
    waiting[0]!.resolve({});
    await settle();
    expect(socket.writes.map(correlationIds)).toEqual([[1, 2, 3]]);
  });

  test('answers that are ready in one turn leave in one write', async () => {
    const versions = [1, 2, 3].map(id => requestFrame(ApiVersionsRequest, 0, {}, id));
    socket.receive(Buffer.concat(versions));
    expect(socket.writes.map(correlationIds)).toEqual([[1, 2, 3]]);

    socket.receive(beat(4), beat(5));
    waiting[0]!.resolve({});
    waiting[1]!.resolve({});
    await settle();
    expect(socket.writes.map(correlationIds)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  test('a request sees the header and the peer', () => {
    socket.receive(requestFrame(HeartbeatRequest, 4, { groupId: 'g' }, 77, '__proto__'));
    expect(waiting[0]!.context).toMatchObject({
      apiKey: 12,
      apiVersion: 4,
      correlationId: 77,
      clientId: '__proto__',
      principal: 'User:ANONYMOUS',
      listenerName: 'PLAINTEXT',
      clientAddress: '10.0.0.1',
      connectionId: 'c-1',
    });
  });

  test('a request without an answer leaves no gap', async () => {
    const produceNothing = requestFrame(ProduceRequest, 3, { acks: 0, timeoutMs: 1, topicData: [] }, 2);
    socket.receive(Buffer.concat([beat(1), produceNothing, beat(3)]));
    waiting[1]!.resolve({});
    waiting[0]!.resolve({});
    await settle();
    expect(socket.writes.map(correlationIds)).toEqual([[1, 3]]);
  });

  test('only one request with large answers is in flight; what follows it waits', async () => {
    const fetchFrame = (id: number) =>
      requestFrame(FetchRequest, 4, { maxWaitMs: 1, minBytes: 1, topics: [] }, id);
    socket.receive(Buffer.concat([fetchFrame(1), fetchFrame(2), beat(3)]));
    expect(fetches).toHaveLength(1);
    expect(waiting).toHaveLength(0);
    expect(socket.paused).toBe(true);
    fetches[0]!.resolve({});
    await settle();
    expect(fetches).toHaveLength(2);
    expect(waiting).toHaveLength(1);
    expect(socket.paused).toBe(false);
    fetches[1]!.resolve({});
    waiting[0]!.resolve({});
    await settle();
    expect(socket.writes.flatMap(correlationIds)).toEqual([1, 2, 3]);
  });

  test('more requests than may be in flight are all answered, though they come at once', async () => {
    const versions = Array.from({ length: 1000 }, (_, id) => requestFrame(ApiVersionsRequest, 0, {}, id));
    socket.receive(Buffer.concat(versions));
    expect(socket.writes.flatMap(correlationIds)).toEqual(versions.map((_, id) => id));
    expect(socket.paused).toBe(false);
  });

  test('a long run of requests gives way to others and goes on after them', () => {
    let calls = 0;
    onApiVersions = () => {
      calls++;
      runtime.nowMs += 4;
      return { errorCode: 0 };
    };
    socket.receive(
      Buffer.concat(Array.from({ length: 10 }, (_, i) => requestFrame(ApiVersionsRequest, 0, {}, i))),
    );
    expect(calls).toBe(3);
    expect(socket.paused).toBe(true);
    runtime.turn();
    expect(calls).toBe(10);
    expect(socket.paused).toBe(false);
    expect(socket.writes.flatMap(correlationIds)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('the bounds of a connection', () => {
  test('so many requests are in flight and no more; then nothing is read', async () => {
    socket.receive(...Array.from({ length: 200 }, (_, i) => beat(i)));
    expect(waiting).toHaveLength(128);
    expect(socket.paused).toBe(true);
    waiting[0]!.resolve({});
    await settle();
    expect(waiting).toHaveLength(129);
    for (const each of waiting) each.resolve({});
    await settle();
    expect(waiting).toHaveLength(200);
    expect(socket.paused).toBe(false);
  });

  test('a peer that does not read what it is answered is not read either', () => {
    socket.draining = false;
    socket.bufferedBytes = 2 * 1024 * 1024;
    socket.receive(requestFrame(ApiVersionsRequest, 0, {}, 1));
    expect(socket.writes).toEqual([]);
    expect(socket.paused).toBe(true);
    socket.drain();
    expect(socket.writes.map(correlationIds)).toEqual([[1]]);
    expect(socket.paused).toBe(false);
  });

  test('an idle connection closes, one with a request in flight does not', async () => {
    socket.receive(beat(1));
    runtime.nowMs += 70_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(false);
    waiting[0]!.resolve({});
    await settle();
    runtime.nowMs += 59_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(false);
    runtime.nowMs += 2_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(true);
    expect(closed).toBe(true);
  });

  test('a frame that does not get whole in time closes the connection, though bytes keep coming', () => {
    const frame = beat(1);
    socket.receive(frame.subarray(0, 3));
    for (let i = 3; i < 10; i++) {
      runtime.nowMs += 4_000;
      socket.receive(frame.subarray(i, i + 1));
      connection.checkDeadlines(runtime.nowMs);
      expect(socket.destroyed).toBe(false);
    }
    runtime.nowMs += 4_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(true);
    expect(logger.messages('warn')).toEqual(['a frame was not completed in time']);
  });

  test('the length of a frame without the frame closes the connection too', () => {
    socket.receive(beat(1).subarray(0, 4));
    runtime.nowMs += 31_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(true);
  });

  test('a peer that stops reading closes after the idle time although its requests are answered', () => {
    socket.receive(requestFrame(ApiVersionsRequest, 0, {}, 1));
    socket.draining = false;
    socket.receive(requestFrame(ApiVersionsRequest, 0, {}, 2), beat(3));
    connection.checkDeadlines(runtime.nowMs);
    runtime.nowMs += 61_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(true);
  });
});

describe('a throttled connection', () => {
  const throttle = async (which: number, throttleTimeMs: number): Promise<void> => {
    waiting[which]!.resolve({ throttleTimeMs });
    await settle();
  };

  test('is answered at once, and neither read nor served for the throttle time', async () => {
    socket.receive(beat(1));
    await throttle(0, 5_000);
    expect(responseBody(HeartbeatResponse, 4, socket.writes[0]!).throttleTimeMs).toBe(5_000);
    expect(socket.paused).toBe(true);
    // It was on its way before the connection was muted.
    socket.receive(beat(2));
    runtime.advance(4_999);
    expect(waiting).toHaveLength(1);
    runtime.advance(1);
    expect(waiting).toHaveLength(2);
    expect(socket.paused).toBe(false);
  });

  test('still answers what had started, and waits for the longest of its throttle times', async () => {
    socket.receive(beat(1), beat(2), beat(3));
    await throttle(0, 3_000);
    runtime.advance(1_000);
    await throttle(1, 500);
    await throttle(2, 4_000);
    expect(socket.writes.flatMap(correlationIds)).toEqual([1, 2, 3]);
    socket.receive(beat(4));
    runtime.advance(3_999);
    expect(waiting).toHaveLength(3);
    runtime.advance(1);
    expect(waiting).toHaveLength(4);
  });

  test('is not idle', async () => {
    socket.receive(beat(1));
    await throttle(0, 200_000);
    runtime.advance(199_999);
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(false);
    runtime.advance(1);
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(false);
    runtime.advance(60_001);
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(true);
  });

  test('goes away when it is closed', async () => {
    socket.receive(beat(1));
    await throttle(0, 5_000);
    expect(runtime.pendingTimers).toBe(1);
    socket.destroy();
    expect(runtime.pendingTimers).toBe(0);
  });

  test('is muted after a request without an answer too', () => {
    onProduce = context => {
      context.throttle(700);
      return undefined;
    };
    const frame = requestFrame(ProduceRequest, 3, { acks: 0, timeoutMs: 1, topicData: [] }, 1);
    socket.receive(Buffer.concat([frame, beat(2)]));
    expect(waiting).toHaveLength(0);
    runtime.advance(700);
    expect(waiting).toHaveLength(1);
  });
});

describe('what closes a connection', () => {
  const length = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const withKey = (frame: Buffer, apiKey: number, version: number): Buffer => {
    const copy = Buffer.from(frame);
    copy.writeInt16BE(apiKey, 4);
    copy.writeInt16BE(version, 6);
    return copy;
  };
  const cases: [string, Buffer][] = [
    ['a negative length', length(-1)],
    ['a length above the limit', length(1001)],
    ['an empty frame', length(0)],
    ['a frame without a whole header', framed(Buffer.alloc(7))],
    ['an unknown API', withKey(beat(1), 999, 0)],
    ['a negative API key', withKey(beat(1), -1, 0)],
    ['an API of another listener', withKey(beat(1), 52, 0)],
    ['a version too new', withKey(beat(1), 12, 99)],
    ['a negative version', withKey(beat(1), 12, -1)],
    ['trailing bytes', framed(Buffer.concat([beat(1).subarray(4), Buffer.alloc(1)]))],
    ['a body cut short', framed(beat(1).subarray(4, -3))],
  ];

  test.each(cases)('%s, with one line in the log', (_name, bytes) => {
    socket.receive(bytes);
    expect(socket.ended).toBe(true);
    expect(socket.writes).toEqual([]);
    expect(logger.messages()).toEqual(['a connection is closed for a bad request']);
  });

  test('every truncation of a request', () => {
    const whole = beat(1).subarray(4);
    for (let size = 0; size < whole.length; size++) {
      const victim = new FakeSocket();
      const limited = new LimitedLogger(logger, () => runtime.nowMs, 10_000);
      new Connection(
        runtime,
        victim,
        {
          listenerName: 'P',
          listenerKind: 'broker',
          clientAddress: 'a',
          localAddress: LOCAL,
          connectionId: 'c',
        },
        {
          router: new RequestRouter(new HandlerTable([heartbeat]), {} as BrokerServices, limited),
          logger: limited,
          options: { maxFrameBytes: 1000, maxIdleMs: 1000 },
          isServing: true,
          onClosed() {},
        },
      );
      victim.receive(framed(whole.subarray(0, size)));
      expect(victim.ended).toBe(true);
    }
    expect(waiting).toEqual([]);
  });

  test('requests before the bad one are still answered, those behind it are not started', async () => {
    socket.receive(Buffer.concat([beat(1), length(-5), beat(2)]));
    expect(waiting).toHaveLength(1);
    expect(socket.ended).toBe(false);
    waiting[0]!.resolve({});
    await settle();
    expect(socket.writes.map(correlationIds)).toEqual([[1]]);
    expect(socket.ended).toBe(true);
  });

  test('a failed request whose API has no answer for it', async () => {
    onProduce = () => {
      throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER);
    };
    socket.receive(requestFrame(ProduceRequest, 3, { acks: 0, topicData: [] }, 1), beat(2));
    expect(socket.ended).toBe(true);
    expect(waiting).toEqual([]);
  });

  test('a shutdown answers what is in flight first', async () => {
    socket.receive(beat(1));
    connection.shutdown();
    expect(socket.ended).toBe(false);
    waiting[0]!.resolve({});
    await settle();
    expect(socket.writes.map(correlationIds)).toEqual([[1]]);
    expect(socket.ended).toBe(true);
    runtime.nowMs += 6_000;
    connection.checkDeadlines(runtime.nowMs);
    expect(socket.destroyed).toBe(true);
  });
});

describe('what a connection answers', () => {
  test('a version of ApiVersions that is too new: version 0, UNSUPPORTED_VERSION and what may be asked', () => {
    const frame = requestFrame(
      ApiVersionsRequest,
      4,
      { clientSoftwareName: 'a', clientSoftwareVersion: '1' },
      5,
    );
    frame.writeInt16BE(99, 6);
    socket.receive(frame);
    expect(socket.ended).toBe(false);
    expect(correlationIds(socket.writes[0]!)).toEqual([5]);
    const body = responseBody(ApiVersionsResponse, 0, socket.writes[0]!);
    expect(body.errorCode).toBe(Errors.UNSUPPORTED_VERSION);
    expect(body.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 5 }]);
  });

  test('ApiVersions keeps the old response header in flexible versions', () => {
    onApiVersions = () => ({ errorCode: 7 });
    socket.receive(requestFrame(ApiVersionsRequest, 4, {}, 6));
    expect(responseBody(ApiVersionsResponse, 4, socket.writes[0]!).errorCode).toBe(7);
  });

  test.each([
    ['thrown', true],
    ['rejected', false],
  ])('a KafkaError that is %s becomes its code', async (_name, thrown) => {
    socket.receive(beat(1));
    if (thrown) {
      onApiVersions = () => {
        throw new KafkaError(Errors.INVALID_REQUEST, 'no');
      };
      waiting[0]!.resolve({});
      socket.receive(requestFrame(ApiVersionsRequest, 0, {}, 2));
      await settle();
      expect(socket.writes.flatMap(correlationIds)).toEqual([1, 2]);
    } else {
      waiting[0]!.reject(new KafkaError(Errors.UNKNOWN_MEMBER_ID));
      await settle();
      expect(responseBody(HeartbeatResponse, 4, socket.writes[0]!).errorCode).toBe(Errors.UNKNOWN_MEMBER_ID);
    }
    expect(logger.messages('error')).toEqual([]);
  });

  test('an unexpected error becomes UNKNOWN_SERVER_ERROR, and one line', async () => {
    socket.receive(beat(1), beat(2));
    waiting[0]!.reject(new TypeError('secret detail'));
    waiting[1]!.reject('not even an error');
    await settle();
    const answers = Buffer.concat(socket.writes);
    const firstSize = 4 + answers.readInt32BE(0);
    const first = responseBody(HeartbeatResponse, 4, answers.subarray(0, firstSize));
    expect(first.errorCode).toBe(Errors.UNKNOWN_SERVER_ERROR);
    expect(answers.includes('secret')).toBe(false);
    expect(correlationIds(answers)).toEqual([1, 2]);
    expect(logger.messages('error')).toEqual(['a request failed unexpectedly']);
  });

  test('a request that waits hears that its connection has gone; an answered one does not', async () => {
    const gone: number[] = [];
    socket.receive(beat(1), beat(2));
    for (const { context } of waiting) context.onClose(() => gone.push(context.correlationId));
    waiting[0]!.resolve({});
    await settle();
    socket.destroy();
    expect(gone).toEqual([2]);
    waiting[1]!.resolve({});
    await settle();
    expect(socket.writes.flatMap(correlationIds)).toEqual([1]);
  });
});
