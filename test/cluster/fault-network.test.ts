import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FaultNetwork } from '../../src/cluster/fault-network.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import type { Socket } from '../../src/runtime/runtime.ts';

const HOST = '127.0.0.1';
const runtime = new NodeRuntime();
let network: FaultNetwork;
let port: number;
let sockets: Peer[];

beforeEach(async () => {
  network = new FaultNetwork(runtime, HOST);
  port = await network.reserve(2);
  sockets = [];
});

afterEach(async () => {
  for (const socket of sockets) socket.socket.destroy();
  await network.close();
});

/** One end of a connection and what has come in. */
class Peer {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    sockets.push(this);
    socket.setHandlers({
      onData: chunk => {
        this.text += chunk.toString();
      },
      onDrain() {},
      onClose: () => {
        this.closed = true;
      },
    });
  }

  say(text: string): void {
    this.socket.write([Buffer.from(text)]);
  }
}

/** Node 2 listens; gives the ends that it accepts. */
async function listen(): Promise<Peer[]> {
  const accepted: Peer[] = [];
  await network
    .viewOf(2)
    .listen({ host: HOST, port, backlog: 10 }, socket => accepted.push(new Peer(socket)));
  return accepted;
}

async function connect(from: number, timeoutMs = 1000): Promise<Peer> {
  return new Peer(await network.viewOf(from).connect({ host: HOST, port, timeoutMs }));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => runtime.timers.after(ms, resolve));
}

describe('the network between nodes', () => {
  test('carries bytes both ways', async () => {
    const accepted = await listen();
    const client = await connect(1);
    client.say('hello');
    await until(() => accepted[0]?.text === 'hello');
    accepted[0]!.say('good day');
    await until(() => client.text === 'good day');
    client.socket.end();
    await until(() => accepted[0]!.closed && client.closed);
  });

  test('cuts off who connects before the node has started, and refuses who connects while it is down', async () => {
    const early = await connect(1);
    await until(() => early.closed);
    const view = network.viewOf(2);
    const first = await view.listen({ host: HOST, port, backlog: 10 }, socket => new Peer(socket));
    await connect(1);
    await first.close();
    await expect(connect(1)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const accepted = await listen();
    await connect(1);
    await until(() => accepted.length === 1);
  });

  test('refuses a port of another node', async () => {
    const listening = network.viewOf(3).listen({ host: HOST, port, backlog: 10 }, () => {});
    await expect(listening).rejects.toThrow(
      `port ${port} is not one of those that the cluster keeps for node 3`,
    );
  });

  test('withholds what nodes send while they are parted, and delivers it in order when they are not', async () => {
    const accepted = await listen();
    const [client, other] = [await connect(1), await connect(3)];
    client.say('a');
    other.say('x');
    await until(() => accepted.map(({ text }) => text).join() === 'a,x');
    network.partition(1, 2);
    client.say('b');
    client.say('c');
    accepted[0]!.say('to 1');
    other.say('y');
    accepted[1]!.say('to 3');
    await until(() => other.text === 'to 3' && accepted[1]!.text === 'xy');
    await pause(30);
    expect([accepted[0]!.text, client.text]).toEqual(['a', '']);
    expect(client.socket.bufferedBytes).toBe(2);
    network.heal();
    await until(() => accepted[0]!.text === 'abc' && client.text === 'to 1');
  });

  test('does not let one side of a partition notice that the other has gone', async () => {
    const accepted = await listen();
    const client = await connect(1);
    client.say('a');
    await until(() => accepted[0]?.text === 'a');
    network.partition(1, 2);
    client.say('never sent');
    client.socket.destroy();
    await until(() => client.closed);
    await pause(30);
    expect(accepted[0]!.closed).toBe(false);
    network.heal();
    await until(() => accepted[0]!.closed);
    expect(accepted[0]!.text).toBe('a');
  });

  test('lets no connection through a partition: it times out, or opens when that heals in time', async () => {
    const accepted = await listen();
    network.partition(1, 2);
    await expect(connect(1, 20)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const opening = connect(1, 10_000);
    await pause(20);
    expect(accepted).toEqual([]);
    network.heal();
    await opening;
    await until(() => accepted.length === 1);
  });

  test('delays every byte and keeps the order', async () => {
    const accepted = await listen();
    const client = await connect(1);
    network.delay(40);
    const start = runtime.clock.monotonicMs();
    client.say('a');
    client.say('b');
    network.delay(0);
    client.say('c');
    expect(accepted[0]?.text ?? '').toBe('');
    await until(() => accepted[0]?.text === 'abc');
    expect(runtime.clock.monotonicMs() - start).toBeGreaterThanOrEqual(39);
  });
});
