import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Runtime, Socket } from '../../src/runtime/runtime.ts';
import { SimNetwork } from './sim-network.ts';
import { SimProcess } from './sim-process.ts';
import { SimRandom } from './sim-random.ts';
import { SimScheduler } from './sim-scheduler.ts';

interface Peer {
  readonly process: SimProcess;
  runtime: Runtime;
}

/** Two hosts on a network, and what arrives at a server that only listens. */
class Fixture {
  readonly scheduler: SimScheduler;
  readonly network: SimNetwork;
  readonly client: Peer;
  readonly server: Peer;
  /** Of each connection that the server took, in order: the bytes, and how it ended. */
  readonly taken: { socket: Socket; bytes: Buffer; end: string | undefined }[] = [];

  constructor(seed: number, systemBufferBytes = 4_096) {
    this.scheduler = new SimScheduler(seed);
    const options = { latencyMinMs: 0.1, latencyMaxMs: 20, systemBufferBytes, partialReads: 0.5 };
    this.network = new SimNetwork(this.scheduler, new SimRandom(seed, 'network'), options);
    this.client = this.peer('client', '10.0.1.1');
    this.server = this.peer('server', '10.0.0.1');
  }

  private peer(name: string, host: string): Peer {
    const process = new SimProcess({
      name,
      host,
      scheduler: this.scheduler,
      network: this.network,
      disk: undefined,
      random: new SimRandom(this.scheduler.seed, name),
      clockRate: 1,
      wallOffsetMs: 0,
      onUncaught: (_, error) => {
        throw error;
      },
    });
    this.network.addProcess(process);
    return { process, runtime: process.start() };
  }

  async listen(): Promise<void> {
    let isOpen = false;
    void this.server.runtime.network
      .listen({ host: '', port: 9092, backlog: 50 }, socket => {
        const connection = { socket, bytes: Buffer.alloc(0), end: undefined as string | undefined };
        this.taken.push(connection);
        socket.setHandlers({
          onData: chunk => {
            connection.bytes = Buffer.concat([connection.bytes, chunk]);
          },
          onDrain() {},
          onClose: error => {
            connection.end = error === undefined ? 'closed' : error.message;
          },
        });
      })
      .then(() => {
        isOpen = true;
      });
    await this.scheduler.run(1_000, () => isOpen);
  }

  /** A connection, or the error. */
  async connect(timeoutMs = 5_000): Promise<Socket | Error> {
    let result: Socket | Error | undefined;
    this.client.runtime.network.connect({ host: '10.0.0.1', port: 9092, timeoutMs }).then(
      socket => {
        socket.setHandlers({ onData() {}, onDrain() {}, onClose() {} });
        result = socket;
      },
      error => {
        result = error as Error;
      },
    );
    await this.scheduler.run(this.scheduler.nowMs + 60_000, () => result !== undefined);
    return result!;
  }

  async open(): Promise<Socket> {
    const socket = await this.connect();
    if (socket instanceof Error) throw socket;
    return socket;
  }

  pass(ms: number): Promise<boolean> {
    return this.scheduler.run(this.scheduler.nowMs + ms);
  }
}

const bytesOf = (random: SimRandom, size: number): Buffer => random.bytes(size);

describe('a connection', () => {
  test('gives all bytes in the order in which they were written, however it cuts them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(fc.nat(3_000), { maxLength: 30 }), async (seed, sizes) => {
        const fixture = new Fixture(seed);
        await fixture.listen();
        const socket = await fixture.open();
        const random = new SimRandom(seed, 'bytes');
        const sent: Buffer[] = [];
        for (const size of sizes) {
          const bytes = bytesOf(random, size);
          sent.push(Buffer.from(bytes));
          socket.write([bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)]);
          await fixture.pass(random.below(5));
        }
        socket.end();
        await fixture.pass(5_000);
        expect(fixture.taken[0]!.bytes.equals(Buffer.concat(sent))).toBe(true);
        expect(fixture.taken[0]!.end).toBe('closed');
      }),
      { numRuns: 40 },
    );
  });

  test('that is reset has given the server a prefix of what was sent', async () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const fixture = new Fixture(seed);
      await fixture.listen();
      const socket = await fixture.open();
      const sent = bytesOf(new SimRandom(seed), 3_000);
      socket.write([sent]);
      await fixture.pass(seed % 15);
      for (const connection of fixture.network.connectionsOf()) connection.reset();
      await fixture.pass(1_000);
      const { bytes, end } = fixture.taken[0]!;
      expect(sent.subarray(0, bytes.length).equals(bytes)).toBe(true);
      expect(end).toContain('ECONNRESET');
      lengths.add(bytes.length);
    }
    expect(lengths.size).toBeGreaterThan(10);
  });

  test('can bring old bytes after the client has connected again and sent them anew', async () => {
    const fixture = new Fixture(7);
    await fixture.listen();
    const socket = await fixture.open();
    socket.write([Buffer.from('old')]);
    for (const connection of fixture.network.connectionsOf()) connection.resetWithLateBytes(500);
    const again = await fixture.open();
    again.write([Buffer.from('new')]);
    await fixture.pass(200);
    expect(fixture.taken.map(({ bytes }) => bytes.toString())).toEqual(['', 'new']);
    await fixture.pass(1_000);
    expect(fixture.taken.map(({ bytes }) => bytes.toString())).toEqual(['old', 'new']);
    expect(fixture.taken[0]!.end).toBe('closed');
  });

  test('holds what is sent while its link is blocked, in one direction only', async () => {
    const fixture = new Fixture(3);
    await fixture.listen();
    const socket = await fixture.open();
    await fixture.pass(100);
    const back: string[] = [];
    socket.setHandlers({ onData: chunk => back.push(chunk.toString()), onDrain() {}, onClose() {} });
    fixture.network.block('10.0.1.1', '10.0.0.1');
    socket.write([Buffer.from('up')]);
    fixture.taken[0]!.socket.write([Buffer.from('down')]);
    await fixture.pass(10_000);
    expect(back.join('')).toBe('down');
    expect(fixture.taken[0]!.bytes.length).toBe(0);
    fixture.network.unblock('10.0.1.1', '10.0.0.1');
    await fixture.pass(100);
    expect(fixture.taken[0]!.bytes.toString()).toBe('up');
  });

  test('counts what the system does not take as buffered, and tells when it is gone', async () => {
    const fixture = new Fixture(5, 1_000);
    await fixture.listen();
    const socket = await fixture.open();
    await fixture.pass(100);
    let drained = 0;
    socket.setHandlers({ onData() {}, onDrain: () => void drained++, onClose() {} });
    const reader = fixture.taken[0]!.socket;
    reader.pause();
    socket.write([Buffer.alloc(5_000)]);
    await fixture.pass(1_000);
    expect(socket.bufferedBytes).toBe(4_000);
    expect(drained).toBe(0);
    reader.resume();
    await fixture.pass(1_000);
    expect(socket.bufferedBytes).toBe(0);
    expect(drained).toBe(1);
  });

  test('gives memory that is not the reader’s to keep', async () => {
    const fixture = new Fixture(5);
    await fixture.listen();
    const socket = await fixture.open();
    await fixture.pass(100);
    const kept: Buffer[] = [];
    fixture.taken[0]!.socket.setHandlers({ onData: chunk => kept.push(chunk), onDrain() {}, onClose() {} });
    socket.write([Buffer.from('abc')]);
    await fixture.pass(100);
    expect(Buffer.concat(kept).every(byte => byte === 0xdd)).toBe(true);
  });
});

describe('a connection of a process that ends', () => {
  test('is closed by the system after kill -9', async () => {
    const fixture = new Fixture(1);
    await fixture.listen();
    const socket = await fixture.open();
    await fixture.pass(100);
    socket.write([Buffer.from('last words')]);
    fixture.client.process.kill();
    await fixture.pass(1_000);
    expect(fixture.taken[0]!.bytes.toString()).toBe('last words');
    expect(fixture.taken[0]!.end).toBe('closed');
  });

  test('stays half open after a loss of power, until the machine is back and is written to', async () => {
    const fixture = new Fixture(2);
    await fixture.listen();
    await fixture.open();
    await fixture.pass(100);
    fixture.client.process.losePower();
    await fixture.pass(10_000);
    const { socket } = fixture.taken[0]!;
    socket.write([Buffer.from('anybody?')]);
    await fixture.pass(10_000);
    expect(fixture.taken[0]!.end).toBeUndefined();
    fixture.client.process.start();
    await fixture.pass(1_000);
    expect(fixture.taken[0]!.end).toContain('ECONNRESET');
  });

  test('runs no callback of it any more', async () => {
    const fixture = new Fixture(4);
    await fixture.listen();
    const socket = await fixture.open();
    const calls: string[] = [];
    socket.setHandlers({
      onData: () => calls.push('data'),
      onDrain: () => calls.push('drain'),
      onClose: () => calls.push('close'),
    });
    const { timers, network } = fixture.client.runtime;
    timers.after(5, () => calls.push('timer'));
    timers.soon(() => calls.push('soon'));
    void network.connect({ host: '10.0.0.1', port: 9092, timeoutMs: 100 }).then(
      () => calls.push('connected'),
      () => calls.push('refused'),
    );
    fixture.client.process.kill();
    fixture.client.runtime = fixture.client.process.start();
    timers.after(5, () => calls.push('timer made later'));
    await fixture.pass(10_000);
    expect(calls).toEqual([]);
  });
});

describe('connecting', () => {
  test('is refused where nobody listens, and times out where the machine is off or cannot be reached', async () => {
    const fixture = new Fixture(1);
    expect(String(await fixture.connect())).toContain('ECONNREFUSED');
    await fixture.listen();
    fixture.network.block('10.0.0.1', '10.0.1.1');
    expect(String(await fixture.connect(200))).toContain('ETIMEDOUT');
    fixture.network.heal();
    fixture.server.process.losePower();
    expect(String(await fixture.connect(200))).toContain('ETIMEDOUT');
  });

  test('works with a paused process, whose system takes the connection and then is silent', async () => {
    const fixture = new Fixture(1);
    await fixture.listen();
    fixture.server.process.pause();
    const socket = await fixture.open();
    socket.write([Buffer.from('hello')]);
    await fixture.pass(5_000);
    expect(fixture.taken).toEqual([]);
    fixture.server.process.resume();
    await fixture.pass(100);
    expect(fixture.taken[0]!.bytes.toString()).toBe('hello');
  });
});
