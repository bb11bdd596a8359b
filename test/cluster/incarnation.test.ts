import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { Incarnation } from '../../src/cluster/incarnation.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { LockedError } from '../../src/runtime/runtime.ts';

const runtime = new NodeRuntime();
let directory: string;
let logger: MemoryLogger;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-incarnation-'));
  logger = new MemoryLogger();
});

afterEach(() => rmSync(directory, { recursive: true }));

const incarnation = (): Incarnation => new Incarnation(1, runtime, runtime.network, logger);
const pause = (ms: number): Promise<void> => new Promise(resolve => runtime.timers.after(ms, resolve));

describe('a killed node', () => {
  test('runs no timer and hears of nothing that it waited for', async () => {
    const life = incarnation();
    const heard: string[] = [];
    life.timers.after(1, () => heard.push('timer'));
    life.timers.soon(() => heard.push('turn'));
    const file = life.disk.openSync(join(directory, 'a'), 'write');
    file.write([Buffer.from('x')], 0).then(() => heard.push('written'));
    life.network.connect({ host: '127.0.0.1', port: 1, timeoutMs: 1000 }).catch(() => heard.push('refused'));
    await life.kill();
    life.timers.after(1, () => heard.push('late timer'));
    life.logger.child('x').error('late line');
    await pause(30);
    expect(heard).toEqual([]);
    expect(logger.entries).toEqual([]);
  });

  test('writes nothing more, and what it had handed over is written', async () => {
    const life = incarnation();
    const path = join(directory, 'a');
    const file = life.disk.openSync(path, 'write');
    const handedOver = file.write([Buffer.from('before')], 0);
    handedOver.then(() => file.writeSync([Buffer.from('never')], 0));
    const killed = life.kill();
    file.writeSync([Buffer.from('after')], 0);
    file.write([Buffer.from('after')], 0);
    life.disk.replaceFileSync(join(directory, 'b'), Buffer.from('after'));
    life.disk.removeFileSync(path);
    await killed;
    expect(readFileSync(path, 'utf8')).toBe('before');
    expect(runtime.disk.readDirectorySync(directory).map(({ name }) => name)).toEqual(['a']);
  });

  test('gives its directory free for the next life', async () => {
    const path = join(directory, '.lock');
    const first = incarnation();
    first.disk.lockSync(path);
    expect(() => incarnation().disk.lockSync(path)).toThrow(LockedError);
    await first.kill();
    const second = incarnation();
    second.disk.lockSync(path).release();
    await second.kill();
  });

  test('breaks off its connections and listens no more', async () => {
    const life = incarnation();
    const server = await life.network.listen({ host: '127.0.0.1', port: 0, backlog: 5 }, socket =>
      socket.setHandlers({ onData() {}, onDrain() {}, onClose() {} }),
    );
    const client = await runtime.network.connect({ host: '127.0.0.1', port: server.port, timeoutMs: 1000 });
    const closed = new Promise<void>(resolve =>
      client.setHandlers({ onData() {}, onDrain() {}, onClose: () => resolve() }),
    );
    await pause(10);
    await life.kill();
    await closed;
    const again = runtime.network.connect({ host: '127.0.0.1', port: server.port, timeoutMs: 1000 });
    await expect(again).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
