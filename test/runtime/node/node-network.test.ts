import * as net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { NodeNetwork } from '../../../src/runtime/node/node-network.ts';
import type { ServerSocket, Socket } from '../../../src/runtime/runtime.ts';

const network = new NodeNetwork();
const opened: Socket[] = [];
const servers: ServerSocket[] = [];

afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await server.close();
});

/** A socket with what it heard. */
class Heard {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  received = 0;
  drains = 0;
  closes: (Error | undefined)[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    opened.push(socket);
    socket.setHandlers({
      onData: chunk => {
        this.chunks.push(chunk);
        this.received += chunk.length;
        this.wake();
      },
      onDrain: () => {
        this.drains++;
        this.wake();
      },
      onClose: error => {
        this.closes.push(error);
        this.wake();
      },
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => this.waiting.push(resolve));
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

async function pair(): Promise<{ server: Heard; client: Heard }> {
  const accepted = new Promise<Heard>((resolve, reject) => {
    network
      .listen({ host: '', port: 0, backlog: 5 }, socket => resolve(new Heard(socket)))
      .then(server => {
        servers.push(server);
        return network.connect({ host: '127.0.0.1', port: server.port, timeoutMs: 5000 });
      })
      .then(socket => {
        client = new Heard(socket);
      })
      .catch(reject);
  });
  let client: Heard | undefined;
  const server = await accepted;
  while (client === undefined) await new Promise(resolve => setImmediate(resolve));
  return { server, client };
}

describe('NodeNetwork', () => {
  test('carries chunks in order and knows both ends', async () => {
    const { server, client } = await pair();
    expect(server.socket.remoteAddress).toBe('127.0.0.1');
    expect(server.socket.remotePort).toBe(client.socket.localPort);
    expect(client.socket.remotePort).toBe(servers[0]!.port);
    const chunks = Array.from({ length: 2000 }, (_, index) => Buffer.from(`${index},`));
    client.socket.write(chunks.slice(0, 1500));
    client.socket.write([]);
    client.socket.write(chunks.slice(1500));
    const all = Buffer.concat(chunks);
    await server.until(() => server.received === all.length);
    expect(server.bytes).toEqual(all);
  });

  test('counts what a slow reader has not taken, and calls when it has', async () => {
    const { server, client } = await pair();
    server.socket.pause();
    const sent = Buffer.alloc(32 * 1024 * 1024, 7);
    client.socket.write([sent.subarray(0, 1000), sent.subarray(1000)]);
    expect(client.socket.bufferedBytes).toBeGreaterThan(0);
    expect(client.drains).toBe(0);
    server.socket.resume();
    await client.until(() => client.drains > 0);
    expect(client.socket.bufferedBytes).toBe(0);
    await server.until(() => server.received === sent.length);
    expect(client.drains).toBe(1);
  });

  test('sends what is buffered before an end', async () => {
    const { server, client } = await pair();
    client.socket.write([Buffer.alloc(5_000_000)]);
    client.socket.end();
    await server.until(() => server.closes.length > 0);
    expect(server.received).toBe(5_000_000);
    expect(server.closes).toEqual([undefined]);
    client.socket.write([Buffer.from('late')]);
  });

  test('tells of a close once, with the error if there was one', async () => {
    const { server, client } = await pair();
    client.socket.destroy();
    await client.until(() => client.closes.length > 0);
    await server.until(() => server.closes.length > 0);
    expect([server.closes.length, client.closes.length]).toEqual([1, 1]);
    expect(server.socket.remoteAddress).toBe('127.0.0.1');
  });

  test('gives the port back when a listener closes, and leaves its connections open', async () => {
    const { server, client } = await pair();
    const { port } = servers[0]!;
    await servers.pop()!.close();
    const again = await network.listen({ host: '127.0.0.1', port, backlog: 5 }, () => {});
    servers.push(again);
    await expect(network.listen({ host: '127.0.0.1', port, backlog: 5 }, () => {})).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    client.socket.write([Buffer.from('still here')]);
    await server.until(() => server.chunks.length > 0);
    expect(server.bytes.toString()).toBe('still here');
  });

  test('says why a connection failed', async () => {
    const server = net.createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    await new Promise(resolve => server.close(resolve));
    await expect(network.connect({ host: '127.0.0.1', port, timeoutMs: 5000 })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });
});
