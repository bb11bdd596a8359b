import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/runtime/runtime.ts';
import { SimDisk } from './sim-disk.ts';
import { SimNetwork } from './sim-network.ts';
import { SimProcess } from './sim-process.ts';
import { SimRandom } from './sim-random.ts';
import { SimScheduler } from './sim-scheduler.ts';

/** A process with a disk. */
class Fixture {
  readonly scheduler: SimScheduler;
  readonly disk: SimDisk;
  readonly process: SimProcess;
  mounted: Disk;

  constructor(seed: number) {
    this.scheduler = new SimScheduler(seed);
    const random = new SimRandom(seed, 'disk test');
    this.disk = new SimDisk(random, () => 0);
    const options = { latencyMinMs: 1, latencyMaxMs: 2, systemBufferBytes: 1_000, partialReads: 0 };
    this.process = new SimProcess({
      name: 'node-1',
      host: '10.0.0.1',
      scheduler: this.scheduler,
      network: new SimNetwork(this.scheduler, random, options),
      disk: this.disk,
      random,
      clockRate: 1,
      wallOffsetMs: 0,
      onUncaught: (_, error) => {
        throw error;
      },
    });
    this.mounted = this.process.start().disk;
  }

  losePower(losesAll: boolean): void {
    this.process.losePower();
    this.disk.losePower(losesAll);
    this.mounted = this.process.start().disk;
  }

  kill(): void {
    this.process.kill();
    this.disk.processDied();
    this.mounted = this.process.start().disk;
  }
}

/** A directory whose name is durable. */
function withDirectory(seed: number): Fixture {
  const fixture = new Fixture(seed);
  fixture.mounted.makeDirectorySync('/d');
  fixture.mounted.syncDirectorySync('/d');
  return fixture;
}

describe('a loss of power', () => {
  test('takes exactly what was not synced, if the disk wrote nothing by itself', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.nat(2_000), { minLength: 1, maxLength: 12 }),
        fc.nat(12),
        (seed, sizes, at) => {
          const fixture = withDirectory(seed);
          const file = fixture.mounted.openSync('/d/file', 'create');
          fixture.mounted.syncDirectorySync('/d');
          let position = 0;
          let synced = Buffer.alloc(0);
          for (const [index, size] of sizes.entries()) {
            file.writeSync([new SimRandom(index).bytes(size)], position);
            position += size;
            if (index >= at) continue;
            file.syncSync();
            synced = Buffer.from(fixture.disk.contentOf('/d/file'));
          }
          fixture.losePower(true);
          expect(fixture.disk.contentOf('/d/file').equals(synced)).toBe(true);
        },
      ),
    );
  });

  test('never takes what was synced, whatever becomes of the rest', () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const fixture = withDirectory(seed);
      const file = fixture.mounted.openSync('/d/file', 'create');
      fixture.mounted.syncDirectorySync('/d');
      file.writeSync([Buffer.alloc(700, 1)], 0);
      file.syncSync();
      file.writeSync([Buffer.alloc(1_500, 2)], 700);
      fixture.losePower(false);
      const content = fixture.disk.contentOf('/d/file');
      expect(content.subarray(0, 700).equals(Buffer.alloc(700, 1))).toBe(true);
      const rest = [...content.subarray(700)];
      expect(rest.every(byte => byte === 0 || byte === 2)).toBe(true);
      outcomes.add(rest.length === 0 ? 'lost' : rest.every(byte => byte === 2) ? 'kept' : 'torn');
    }
    expect([...outcomes].sort()).toEqual(['kept', 'lost', 'torn']);
  });

  test('takes names that were not synced, and brings back what was removed', () => {
    const fixture = withDirectory(1);
    const { mounted } = fixture;
    mounted.replaceFileSync('/d/old', Buffer.from('old'));
    const file = mounted.openSync('/d/new', 'create');
    file.writeSync([Buffer.from('new')], 0);
    file.syncSync();
    mounted.removeFileSync('/d/old');
    fixture.losePower(true);
    expect(fixture.disk.paths()).toEqual(['/d/old']);
  });

  test('leaves the changes of a directory up to some point of their order', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const fixture = withDirectory(seed);
      for (const name of ['a', 'b', 'c']) fixture.mounted.openSync(`/d/${name}`, 'create');
      fixture.mounted.renameSync('/d/a', '/d/z');
      fixture.losePower(false);
      seen.add(
        fixture.disk
          .paths()
          .map(path => path.slice(3))
          .join(''),
      );
    }
    expect([...seen].sort()).toEqual(['', 'a', 'ab', 'abc', 'bcz']);
  });
});

describe('a process that dies', () => {
  test('leaves the page cache, and its locks', () => {
    const fixture = withDirectory(1);
    fixture.mounted.openSync('/d/file', 'create').writeSync([Buffer.from('kept')], 0);
    fixture.mounted.lockSync('/d/.lock');
    fixture.kill();
    expect(fixture.disk.contentOf('/d/file').toString()).toBe('kept');
    fixture.mounted.lockSync('/d/.lock');
  });

  test('cannot touch the disk any more, and hears nothing of what it had begun', async () => {
    const fixture = withDirectory(1);
    const old = fixture.mounted;
    const file = old.openSync('/d/file', 'create');
    file.writeSync([Buffer.from('before')], 0);
    let settled = false;
    file.sync().then(
      () => (settled = true),
      () => (settled = true),
    );
    fixture.kill();
    expect(() => file.writeSync([Buffer.from('after')], 0)).toThrow('dead');
    expect(() => old.removeFileSync('/d/file')).toThrow('dead');
    await fixture.scheduler.run(10_000);
    expect(settled).toBe(false);
    expect(fixture.disk.contentOf('/d/file').toString()).toBe('before');
  });

  test('can die between two operations of one turn', () => {
    const fixture = withDirectory(1);
    fixture.disk.faults.crashAfterChanges = 1;
    fixture.disk.onCrashPoint = () => fixture.process.kill();
    fixture.mounted.replaceFileSync('/d/first', Buffer.from('1'));
    expect(() => fixture.mounted.replaceFileSync('/d/second', Buffer.from('2'))).toThrow('dead');
    expect(fixture.disk.paths()).toEqual(['/d/first']);
  });
});

describe('a bad disk', () => {
  test('that is full takes the part of a write that fits', () => {
    const fixture = withDirectory(1);
    const file = fixture.mounted.openSync('/d/file', 'create');
    fixture.disk.faults.bytesLeft = 5;
    expect(() => file.writeSync([Buffer.from('12345678')], 0)).toThrow('ENOSPC');
    expect(fixture.disk.contentOf('/d/file').toString()).toBe('12345');
  });

  test('whose sync fails once shows the data and does not have it', () => {
    const fixture = withDirectory(1);
    const file = fixture.mounted.openSync('/d/file', 'create');
    fixture.mounted.syncDirectorySync('/d');
    file.writeSync([Buffer.from('gone')], 0);
    fixture.disk.faults.failingSyncs = 1;
    expect(() => file.syncSync()).toThrow('EIO');
    file.syncSync();
    expect(fixture.disk.contentOf('/d/file').toString()).toBe('gone');
    fixture.losePower(true);
    expect(fixture.disk.contentOf('/d/file').equals(Buffer.alloc(4))).toBe(true);
  });

  test('that is slow lets a sync take time, and keeps what was written meanwhile out of it', async () => {
    const fixture = withDirectory(1);
    const file = fixture.mounted.openSync('/d/file', 'create');
    fixture.mounted.syncDirectorySync('/d');
    fixture.disk.faults.slowMs = 1_000;
    file.writeSync([Buffer.from('first')], 0);
    let isSynced = false;
    void file.sync().then(() => {
      isSynced = true;
    });
    file.writeSync([Buffer.from('second')], 5);
    await fixture.scheduler.run(5_000, () => isSynced);
    expect(isSynced).toBe(true);
    fixture.losePower(true);
    expect(fixture.disk.contentOf('/d/file').toString()).toBe('first');
  });
});
