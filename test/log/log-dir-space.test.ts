import { describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { LogDirSpace } from '../../src/log/log-dir-space.ts';
import type { Disk } from '../../src/runtime/runtime.ts';

const MIB = 1024 * 1024;

function spaceOf(reserveBytes: number, usableBytes: number) {
  const logger = new MemoryLogger();
  const disk = { usableBytes, looks: 0 };
  let reserve = reserveBytes;
  const space = new LogDirSpace(
    {
      spaceSync: () => {
        disk.looks++;
        return { totalBytes: 1000 * MIB, usableBytes: disk.usableBytes };
      },
    } as unknown as Disk,
    logger,
    '/data',
    () => reserve,
  );
  space.check();
  const setReserve = (bytes: number): void => {
    reserve = bytes;
  };
  return {
    space,
    disk,
    setReserve,
    lines: () => logger.entries.map(({ level, message }) => `${level}: ${message}`),
  };
}

describe('the space of a log directory', () => {
  it('runs low below the reserve, and is ample again a margin above it, with a line for each', () => {
    const { space, disk, lines } = spaceOf(100 * MIB, 500 * MIB);
    expect(space.state).toBe('ample');
    disk.usableBytes = 100 * MIB - 1;
    space.check();
    expect(space.isLow).toBe(true);
    expect(() => space.checkNotLow()).toThrow('log.dirs.min.free.bytes');
    expect(() => space.checkNotFull()).not.toThrow();
    for (const usable of [100 * MIB, 110 * MIB - 1, 99 * MIB]) {
      disk.usableBytes = usable;
      space.check();
      expect(space.isLow).toBe(true);
    }
    disk.usableBytes = 110 * MIB;
    space.check();
    expect(space.isLow).toBe(false);
    expect(() => space.checkNotLow()).not.toThrow();
    expect(lines()).toEqual([
      'error: a log directory is short of space: records of producers and leaders are refused, all else goes on',
      'info: a log directory has room again: records are taken',
    ]);
  });

  it('looks when what was written since could have used up the rest, and not at each write', () => {
    const { space, disk } = spaceOf(100 * MIB, 101 * MIB);
    disk.usableBytes = 100.2 * MIB;
    for (let i = 0; i < 1000; i++) space.onWritten(1024);
    expect(disk.looks).toBe(1);
    for (let i = 0; i < 100; i++) space.onWritten(1024);
    expect(disk.looks).toBe(2);
    disk.usableBytes = 99 * MIB;
    space.onWritten(0.3 * MIB);
    expect([space.state, disk.looks]).toEqual(['low', 3]);
    // What goes on while it is low asks nobody.
    for (let i = 0; i < 1000; i++) space.onWritten(MIB);
    expect(disk.looks).toBe(3);
  });

  it('takes nothing at all once a write had no room, a little when there is some, and all with the reserve', () => {
    const { space, disk, lines } = spaceOf(100 * MIB, 500 * MIB);
    space.onNoRoom();
    space.onNoRoom();
    expect(() => space.checkNotFull()).toThrow('is full');
    expect(() => space.checkNotLow()).toThrow();
    disk.usableBytes = 0.5 * MIB;
    space.check();
    expect(space.state).toBe('full');
    disk.usableBytes = 20 * MIB;
    space.check();
    expect(space.state).toBe('low');
    disk.usableBytes = 200 * MIB;
    space.check();
    expect(space.state).toBe('ample');
    expect(lines().length).toBe(3);
  });

  it('keeps to another reserve from then on, and to none', () => {
    const { space, disk, setReserve } = spaceOf(100 * MIB, 500 * MIB);
    setReserve(600 * MIB);
    space.check();
    expect(space.state).toBe('low');
    setReserve(0);
    space.check();
    expect(space.state).toBe('ample');
    const { looks } = disk;
    space.onWritten(1_000_000_000);
    expect(disk.looks).toBe(looks);
  });

  it('refuses nothing beforehand without a reserve, and comes back from a full disk all the same', () => {
    const { space, disk } = spaceOf(0, 10);
    space.onWritten(1_000_000);
    space.check();
    expect([space.state, disk.looks]).toEqual(['ample', 0]);
    space.onNoRoom();
    space.check();
    expect(space.state).toBe('full');
    disk.usableBytes = MIB;
    space.check();
    expect(space.state).toBe('ample');
  });
});
