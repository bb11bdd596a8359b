import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import { VoteRequest, VoteResponse } from '../../src/protocol/messages/52-vote.ts';
import type { BrokerServices } from '../../src/server/broker-services.ts';
import type { ControllerServices } from '../../src/server/controller-services.ts';
import { defineControllerHandler, defineHandler } from '../../src/server/handler.ts';
import { HandlerTable } from '../../src/server/handler-table.ts';
import { RequestRouter } from '../../src/server/request-router.ts';
import { ConnectionRates, type ConnectionRateLimits } from '../../src/server/quotas/connection-rates.ts';
import { SocketServer, type SocketServerOptions } from '../../src/server/socket-server.ts';
import { LimitedLogger } from '../../src/base/logger.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { FakeSocket, requestFrame } from './fake-network.ts';

let runtime: ManualRuntime;
let logger: MemoryLogger;
let server: SocketServer;
let answers: ((value: object) => void)[];

const heartbeat = defineHandler({
  request: HeartbeatRequest,
  response: HeartbeatResponse,
  authorize: [],
  handle: () => new Promise<object>(resolve => answers.push(resolve)),
});
const vote = defineControllerHandler({
  request: VoteRequest,
  response: VoteResponse,
  authorize: ['ClusterAction Cluster'],
  handle: () => ({}),
});

async function open(kind: 'broker' | 'controller', port: number): Promise<void> {
  const limited = new LimitedLogger(logger, () => runtime.nowMs, 1000);
  const router: RequestRouter =
    kind === 'broker'
      ? new RequestRouter(new HandlerTable([heartbeat]), {} as BrokerServices, limited)
      : new RequestRouter(new HandlerTable([vote]), {} as ControllerServices, limited);
  await server.listen({ listenerName: kind, kind, host: '', port }, router);
  server.serve();
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

beforeEach(() => {
  runtime = new ManualRuntime();
  logger = new MemoryLogger();
  answers = [];
  server = serverOf();
});

function serverOf(changes: Partial<SocketServerOptions> = {}, rates?: ConnectionRates): SocketServer {
  const options = {
    maxFrameBytes: 1000,
    maxIdleMs: 60_000,
    maxConnections: 4,
    maxConnectionsPerIp: 2,
    perIpOverrides: new Map([['10.0.0.9', 0]]),
    backlog: 50,
    ...changes,
  };
  return new SocketServer(runtime, logger, options, rates);
}

describe('SocketServer', () => {
  test('a connection that comes while the broker starts is taken, and served when it has started', async () => {
    const limited = new LimitedLogger(logger, () => runtime.nowMs, 1000);
    const router = new RequestRouter(new HandlerTable([vote]), {} as ControllerServices, limited);
    await server.listen({ listenerName: 'C', kind: 'controller', host: '', port: 1 }, router);
    const early = runtime.network.accept(1, new FakeSocket());
    expect(early.paused).toBe(true);
    early.receive(requestFrame(VoteRequest, 0, { topics: [] }));
    expect(early.writes).toEqual([]);
    server.serve();
    expect(early.writes).toHaveLength(1);
    expect(early.paused).toBe(false);
  });

  test('each endpoint serves the APIs of its router only', async () => {
    await open('broker', 1);
    await open('controller', 2);
    const voteFrame = requestFrame(VoteRequest, 0, { topics: [] });
    const atBroker = runtime.network.accept(1, new FakeSocket('10.0.0.1'));
    atBroker.receive(voteFrame);
    expect(atBroker.ended).toBe(true);
    const atController = runtime.network.accept(2, new FakeSocket('10.0.0.2'));
    atController.receive(voteFrame);
    expect(atController.writes).toHaveLength(1);
  });

  test('refuses connections above each limit and takes them again when others have gone', async () => {
    await open('broker', 1);
    const connect = (address: string): FakeSocket => runtime.network.accept(1, new FakeSocket(address));
    const first = connect('10.0.0.1');
    connect('10.0.0.1');
    expect(connect('10.0.0.1').destroyed).toBe(true);
    expect(connect('10.0.0.9').destroyed).toBe(true);
    connect('10.0.0.2');
    connect('10.0.0.3');
    expect(server.connectionCount).toBe(4);
    expect(connect('10.0.0.4').destroyed).toBe(true);
    first.destroy();
    expect(connect('10.0.0.4').destroyed).toBe(false);
    expect(connect('10.0.0.1').destroyed).toBe(true);
    expect(server.connectionCount).toBe(4);
    expect(logger.messages('warn')).toEqual(['a connection is refused', 'a connection is refused']);
  });

  test('refuses connections above the limit of a listener, and takes those to others', async () => {
    server = serverOf({ perListener: new Map([['broker', 1]]) });
    await open('broker', 1);
    await open('controller', 2);
    const first = runtime.network.accept(1, new FakeSocket('10.0.0.1'));
    expect(runtime.network.accept(1, new FakeSocket('10.0.0.2')).destroyed).toBe(true);
    expect(runtime.network.accept(2, new FakeSocket('10.0.0.3')).destroyed).toBe(false);
    first.destroy();
    expect(runtime.network.accept(1, new FakeSocket('10.0.0.2')).destroyed).toBe(false);
  });

  test('looks at the deadlines of connections by itself', async () => {
    await open('broker', 1);
    const idle = runtime.network.accept(1, new FakeSocket());
    for (let second = 0; second < 62; second++) runtime.advance(1000);
    expect(idle.destroyed).toBe(true);
    expect(server.connectionCount).toBe(0);
  });

  test('a stop waits for requests in flight, and takes no connection in between', async () => {
    await open('broker', 1);
    const busy = runtime.network.accept(1, new FakeSocket());
    const idle = runtime.network.accept(1, new FakeSocket());
    busy.receive(requestFrame(HeartbeatRequest, 4, {}));
    const stopped = server.stop(5000);
    expect(idle.ended).toBe(true);
    expect(busy.ended).toBe(false);
    expect(runtime.network.accept(1, new FakeSocket()).destroyed).toBe(true);
    answers[0]!({});
    await settle();
    expect(busy.writes).toHaveLength(1);
    expect(busy.ended).toBe(true);
    idle.destroy();
    busy.destroy();
    await stopped;
    expect(runtime.network.closedListeners).toBe(1);
  });

  test('a stop ends connections that take too long', async () => {
    await open('broker', 1);
    const busy = runtime.network.accept(1, new FakeSocket());
    busy.receive(requestFrame(HeartbeatRequest, 4, {}));
    const stopped = server.stop(5000);
    runtime.advance(5000);
    await stopped;
    expect(busy.destroyed).toBe(true);
  });
});

describe('connections that come too fast', () => {
  const version = requestFrame(HeartbeatRequest, 4, {});
  /** One sample of a second: at 2 a second the second connection is in time and the third is not. */
  const ratesOf = (changes: Partial<ConnectionRateLimits> = {}): ConnectionRates =>
    new ConnectionRates(
      runtime.clock,
      new LimitedLogger(logger, () => runtime.nowMs, 1000),
      { samples: 2, sampleMs: 1_000 },
      { node: Number.POSITIVE_INFINITY, listeners: new Map(), protectedListener: undefined, ...changes },
    );
  const many = { maxConnections: 100, maxConnectionsPerIp: 100 };
  const connect = (port = 1, address = '10.0.0.1'): FakeSocket =>
    runtime.network.accept(port, new FakeSocket(address));

  test('wait in the order in which they came, and are served when it is their turn', async () => {
    server = serverOf(many, ratesOf({ node: 2 }));
    await open('broker', 1);
    const [first, second, third, fourth] = [connect(), connect(), connect(), connect()];
    expect([first, second, third, fourth].map(socket => socket.paused)).toEqual([false, false, true, true]);
    expect(server.connectionCount).toBe(4);
    // 3 in a second: (3 - 2) / 2 of a second too early.
    runtime.advance(499);
    expect(third.paused).toBe(true);
    runtime.advance(1);
    expect(third.paused).toBe(false);
    third.receive(version);
    expect(answers).toHaveLength(1);
    // The fourth is counted only now: 4 in 1.5 s are 2.667 a second, (2.667 - 2) / 2 * 1.5 s.
    expect(fourth.paused).toBe(true);
    runtime.advance(500);
    expect(fourth.paused).toBe(false);
    expect(fourth.destroyed).toBe(false);
  });

  test('wait at the listener that is limited, and not at others', async () => {
    server = serverOf(many, ratesOf({ listeners: new Map([['broker', 1]]) }));
    await open('broker', 1);
    await open('controller', 2);
    expect([connect(1), connect(1), connect(2), connect(2), connect(2)].map(({ paused }) => paused)).toEqual([
      ...[false, true],
      ...[false, false, false],
    ]);
  });

  test('of one address are closed after a moment, those of others are let in', async () => {
    const rates = ratesOf();
    rates.update('10.0.0.1', 1);
    server = serverOf(many, rates);
    await open('broker', 1);
    const first = connect();
    const second = connect();
    expect(connect(1, '10.0.0.2').paused).toBe(false);
    expect([first.paused, second.paused]).toEqual([false, true]);
    expect(server.connectionCount).toBe(3);
    runtime.advance(999);
    expect(second.destroyed).toBe(false);
    runtime.advance(1);
    expect(second.destroyed).toBe(true);
    expect(server.connectionCount).toBe(2);
    // The one that was closed does not count: after another second there is room.
    runtime.advance(1_000);
    expect(connect().paused).toBe(false);
    expect(logger.messages('info')).toContain('a connection is closed by the quota of its address');
  });

  test('free their places when they go while they wait', async () => {
    server = serverOf(many, ratesOf({ node: 1 }));
    await open('broker', 1);
    connect();
    const gone = connect();
    const next = connect();
    gone.destroy();
    expect(server.connectionCount).toBe(2);
    runtime.advance(1_000);
    expect(next.paused).toBe(false);
  });

  test('are closed when the server stops', async () => {
    const rates = ratesOf({ node: 2 });
    rates.update(null, 1);
    server = serverOf(many, rates);
    await open('broker', 1);
    const [first, held, waits] = [connect(), connect(), connect()];
    const stopped = server.stop(5_000);
    expect([held.destroyed, waits.destroyed]).toEqual([true, true]);
    first.destroy();
    await stopped;
    expect(server.connectionCount).toBe(0);
    expect(runtime.pendingTimers).toBe(0);
  });
});
