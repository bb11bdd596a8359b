import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import { compress, prepareCodecs } from '../../src/compression/codecs.ts';
import type { CompressionType } from '../../src/compression/compression-type.ts';
import { type LegacyMagic, LegacyMessage, legacyRecords, messagesOf } from '../../src/record/message-set.ts';
import { buildMessageSet } from '../../src/record/message-set-builder.ts';
import {
  GOLDEN_TIME,
  GOLDEN_WIDE,
  goldenRecords,
  largeRecords,
  plain,
  smallRecords,
} from './golden-records.ts';

const golden = goldenRecords('golden-records');
const CODECS: readonly (readonly [string, CompressionType])[] = [
  ['none', 0],
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
];

beforeAll(prepareCodecs);

function recordsOf(set: Buffer) {
  return [...messagesOf(set)].flatMap(message => [...legacyRecords(message)]);
}

/** What an old format keeps of records: no headers, and in v0 no timestamps. */
function asLegacy(magic: LegacyMagic, records: ReturnType<typeof smallRecords>) {
  return records.map(record =>
    plain({ ...record, headers: [], timestamp: magic === 0 ? -1 : record.timestamp }),
  );
}

function legacyInput(base: number | bigint, records = smallRecords(false)) {
  return records.map((record, i) => ({
    ...record,
    offset: typeof base === 'bigint' ? base + BigInt(i) : base + i,
  }));
}

describe.each([0, 1] as const)('message sets of the format v%i that the Java client wrote', magic => {
  for (const [codec, type] of CODECS) {
    it(`are read under ${codec}`, () => {
      const set = golden.get(`v${magic}-small-${codec}`)!;
      const messages = [...messagesOf(set)];
      expect(messages.length).toBe(codec === 'none' ? 5 : 1);
      expect(messages.every(message => message.isValid() && message.compressionType === type)).toBe(true);
      expect(recordsOf(set).map(plain)).toEqual(asLegacy(magic, smallRecords(false)));
      expect(recordsOf(set).map(record => record.offset)).toEqual([100, 101, 102, 103, 104]);
    });

    it(`have the messages that ours have under ${codec}`, () => {
      const theirs = golden.get(`v${magic}-small-${codec}`)!;
      const ours = buildMessageSet(legacyInput(100), { magic, compression: type }).bytes;
      if (type === 0) {
        expect(ours.toString('hex')).toBe(theirs.toString('hex'));
      } else {
        const [mine, other] = [new LegacyMessage(ours, 0), new LegacyMessage(theirs, 0)];
        expect(mine.isValid()).toBe(true);
        expect([mine.offset, mine.timestamp, mine.attributes]).toEqual([
          other.offset,
          other.timestamp,
          other.attributes,
        ]);
        if (type === 1) expect(gunzipSync(mine.value()!)).toEqual(gunzipSync(other.value()!));
        expect(recordsOf(ours)).toEqual(recordsOf(theirs));
      }
    });
  }

  for (const [codec] of CODECS.slice(1)) {
    it(`are read over several blocks of ${codec}, within a limit`, () => {
      const set = golden.get(`v${magic}-large-${codec}`)!;
      expect(recordsOf(set).map(plain)).toEqual(asLegacy(magic, largeRecords()));
      expect(() => [...legacyRecords(new LegacyMessage(set, 0), 10_000)]).toThrow(MalformedError);
    });
  }
});

describe('message sets', () => {
  it('have the broken header checksum in LZ4 frames of v0 and the right one in those of v1', () => {
    const [v0, v1] = [golden.get('v0-small-lz4')!, golden.get('v1-small-lz4')!];
    const checksum = (set: Buffer) => new LegacyMessage(set, 0).value()![6];
    expect(checksum(v0)).not.toBe(checksum(v1));
    for (const [magic, theirs] of [
      [0, v0],
      [1, v1],
    ] as const) {
      const ours = buildMessageSet(legacyInput(100), { magic, compression: 3 }).bytes;
      expect(checksum(ours)).toBe(checksum(theirs));
    }
  });

  it('give the time of the wrapper to all messages inside under LogAppendTime', () => {
    for (const codec of ['none', 'gzip']) {
      const set = golden.get(`v1-append-time-${codec}`)!;
      expect(recordsOf(set).every(record => record.timestamp === GOLDEN_TIME + 500)).toBe(true);
      expect(new LegacyMessage(set, 0).timestampType).toBe(1);
    }
  });

  it('keep offsets and timestamps past 2^53 exact', () => {
    const [only] = recordsOf(golden.get('v1-wide')!);
    expect([only!.offset, only!.timestamp]).toEqual([GOLDEN_WIDE, 2n ** 60n]);
    const inside = recordsOf(golden.get('v1-wide-gzip')!);
    expect(inside.map(record => record.offset)).toEqual(
      [0n, 1n, 2n, 3n, 4n].map(delta => GOLDEN_WIDE + delta),
    );
    const ours = buildMessageSet(legacyInput(GOLDEN_WIDE), { magic: 1, compression: 1 }).bytes;
    expect(recordsOf(ours)).toEqual(inside);
  });

  it('have offsets from 0 on where librdkafka left the offset of the wrapper at 0', () => {
    const set = golden.get('v1-small-gzip')!;
    set.fill(0, 0, 8);
    expect(recordsOf(set).map(record => record.offset)).toEqual([0, 1, 2, 3, 4]);
  });

  it('end with MalformedError or fewer records wherever a byte is changed', () => {
    for (const name of ['v0-small-gzip', 'v1-small-snappy', 'v0-small-lz4', 'v1-small-none']) {
      const set = golden.get(name)!;
      for (let at = 8; at < set.length; at++) {
        const changed = Buffer.from(set);
        changed[at]! ^= 0x81;
        try {
          recordsOf(changed);
        } catch (error) {
          expect(error, `${name} byte ${at}`).toBeInstanceOf(MalformedError);
        }
      }
    }
  });

  it('are cut before a message that is not whole', () => {
    const set = golden.get('v1-small-none')!;
    const ends = [...messagesOf(set)].map(message => message.end);
    for (let end = 0; end <= set.length; end++) {
      expect([...messagesOf(set, 0, end)].length).toBe(ends.filter(one => one <= end).length);
    }
  });

  const wrapped = (magic: LegacyMagic, inner: Buffer) => {
    const value = compress(1, inner, undefined, magic);
    const wrapper = buildMessageSet([{ offset: 4, timestamp: 5, key: null, value }], { magic }).bytes;
    wrapper[17] = 1;
    return new LegacyMessage(wrapper, 0);
  };

  it('may not nest compression, mix formats, be empty, have wrong checksums or end inside of a message', () => {
    const plainSet = golden.get('v1-small-none')!;
    expect([...legacyRecords(wrapped(1, plainSet))].length).toBe(5);
    const badCrc = Buffer.from(plainSet);
    badCrc[badCrc.length - 1]! ^= 1;
    const cases = [
      golden.get('v1-small-gzip')!,
      golden.get('v0-small-none')!,
      Buffer.alloc(0),
      badCrc,
      plainSet.subarray(0, -1),
    ];
    for (const inner of cases) expect(() => [...legacyRecords(wrapped(1, inner))]).toThrow(MalformedError);
    const noValue = buildMessageSet([{ offset: 4, timestamp: 5, key: null, value: null }], {
      magic: 1,
    }).bytes;
    noValue[17] = 1;
    expect(() => [...legacyRecords(new LegacyMessage(noValue, 0))]).toThrow(MalformedError);
    noValue[17] = 4;
    expect(() => [...legacyRecords(new LegacyMessage(noValue, 0))]).toThrow(MalformedError);
  });

  it('give back what they were built from', () => {
    const nullable = fc.option(
      fc.uint8Array({ maxLength: 30 }).map(array => Buffer.from(array)),
      { nil: null },
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ timestamp: fc.nat(), key: nullable, value: nullable }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.constantFrom<LegacyMagic>(0, 1),
        fc.constantFrom<CompressionType>(0, 1, 2, 3),
        (records, magic, compression) => {
          const inputs = legacyInput(7, records);
          const read = recordsOf(buildMessageSet(inputs, { magic, compression }).bytes);
          expect(read.map(plain)).toEqual(asLegacy(magic, inputs));
          expect(read.map(record => record.offset)).toEqual(inputs.map(record => record.offset));
        },
      ),
      { numRuns: 100 },
    );
  });
});
