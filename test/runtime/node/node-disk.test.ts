import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NodeDisk } from '../../../src/runtime/node/node-disk.ts';

let directory: string;
const disk = new NodeDisk();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-disk-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe('NodeDisk', () => {
  test('opens files in the four modes', () => {
    const path = join(directory, 'a');
    const code = (mode: 'read' | 'existing' | 'create'): unknown => {
      try {
        disk.openSync(path, mode).closeSync();
        return 'opened';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect([code('read'), code('existing')]).toEqual(['ENOENT', 'ENOENT']);
    expect([code('create'), code('create'), code('existing'), code('read')]).toEqual([
      'opened',
      'EEXIST',
      'opened',
      'opened',
    ]);
    disk.openSync(path, 'write').closeSync();
  });

  test('writes more chunks than one system call takes, empty ones among them, and reads them back', async () => {
    const file = disk.openSync(join(directory, 'a'), 'create');
    const chunks = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(index % 7, index));
    const all = Buffer.concat(chunks);
    file.writeSync(chunks, 5);
    expect(file.sizeSync()).toBe(5 + all.length);
    const back = Buffer.alloc(all.length + 10);
    expect(file.readSync(back, 0, back.length, 5)).toBe(all.length);
    expect(back.subarray(0, all.length)).toEqual(all);

    await file.write(chunks, 20_000);
    back.fill(0);
    expect(await file.read(back, 3, all.length, 20_000)).toBe(all.length);
    expect(back.subarray(3, 3 + all.length)).toEqual(all);
    expect(await file.read(back, 0, 10, 1_000_000)).toBe(0);
    await file.write([], 0);
    file.writeSync([Buffer.alloc(0)], 0);
    file.truncateSync(7);
    expect(file.sizeSync()).toBe(7);
    file.syncSync();
    await file.sync();
    file.closeSync();
    await expect(file.write([Buffer.from('x')], 0)).rejects.toMatchObject({ code: 'EBADF' });
  });

  test('replaces a file and leaves no temporary one', () => {
    const path = join(directory, 'a');
    disk.replaceFileSync(path, Buffer.from('one'));
    disk.replaceFileSync(path, Buffer.from('two'));
    expect(disk.readFileSync(path).toString()).toBe('two');
    expect(disk.readDirectorySync(directory)).toEqual([{ name: 'a', isDirectory: false }]);
  });

  test('says what is there, through links too', () => {
    disk.makeDirectorySync(join(directory, 'x/y'));
    writeFileSync(join(directory, 'x/f'), 'abc');
    symlinkSync(join(directory, 'x'), join(directory, 'link'));
    expect(disk.statSync(join(directory, 'x/f'))).toMatchObject({ isDirectory: false, size: 3 });
    expect(disk.statSync(join(directory, 'none'))).toBeUndefined();
    const names = disk.readDirectorySync(directory).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(names).toEqual([
      { name: 'link', isDirectory: true },
      { name: 'x', isDirectory: true },
    ]);
    const { totalBytes, usableBytes } = disk.spaceSync(directory);
    expect(totalBytes).toBeGreaterThan(usableBytes);
    expect(usableBytes).toBeGreaterThan(0);
  });

  test('removes files and trees, and minds nothing that is not there', async () => {
    disk.makeDirectorySync(join(directory, 'x/y'));
    disk.makeDirectorySync(join(directory, 'z/y'));
    writeFileSync(join(directory, 'f'), '');
    disk.renameSync(join(directory, 'f'), join(directory, 'g'));
    disk.removeFileSync(join(directory, 'f'));
    disk.removeFileSync(join(directory, 'g'));
    disk.removeTreeSync(join(directory, 'x'));
    disk.removeTreeSync(join(directory, 'x'));
    await disk.removeTree(join(directory, 'z'));
    disk.syncDirectorySync(directory);
    expect(disk.readDirectorySync(directory)).toEqual([]);
  });
});
