import { describe, expect, it } from 'vitest';
import { ByteReader, MalformedError } from '../../src/base/byte-reader.ts';
import { ByteWriter } from '../../src/base/byte-writer.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import { FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { MetadataRequest } from '../../src/protocol/messages/03-metadata.ts';
import { OffsetFetchRequest } from '../../src/protocol/messages/09-offset-fetch.ts';
import type { Input, Message } from '../../src/protocol/schema.ts';
import { ALL_MESSAGES } from './all-messages.ts';
import { interpretEncode, type Pick, randomValue } from './interpreter.ts';

function picker(seed: number): Pick {
  let state = seed | 1;
  return bound => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) % bound;
  };
}

function encode<M extends Message>(message: M, version: number, value: Input<M>): Buffer {
  const writer = new ByteWriter(16);
  codecOf(message, version).encode(writer, value);
  return writer.concat();
}

describe('a compiled codec', () => {
  it.each(ALL_MESSAGES.map(m => [m.name, m] as const))(
    '%s writes and reads what the interpreter does, at every version',
    (_, message) => {
      for (let version = message.minVersion; version <= message.maxVersion; version++) {
        for (let seed = 1; seed <= 12; seed++) {
          const value = randomValue(message, version, picker(seed * 7919 + version));
          const bytes = encode(message, version, value as Input<typeof message>);
          expect(
            bytes.equals(interpretEncode(message, version, value)),
            `version ${version} seed ${seed}`,
          ).toBe(true);
          const reader = new ByteReader(bytes);
          expect(codecOf(message, version).decode(reader)).toEqual(value);
          expect(reader.remaining).toBe(0);
        }
      }
    },
  );

  it.each(ALL_MESSAGES.map(m => [m.name, m] as const))(
    '%s refuses a message cut at any byte',
    (_, message) => {
      const version = message.maxVersion;
      const value = randomValue(message, version, picker(4242));
      const bytes = encode(message, version, value as Input<typeof message>);
      for (let end = 0; end < Math.min(bytes.length, 600); end++) {
        const reader = new ByteReader(bytes, 0, end);
        expect(() => codecOf(message, version).decode(reader)).toThrow(MalformedError);
      }
    },
  );

  it('takes defaults for fields that are left out', () => {
    const bytes = encode(MetadataRequest, 9, {});
    expect(codecOf(MetadataRequest, 9).decode(new ByteReader(bytes))).toEqual({
      topics: [],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    });
  });

  it('refuses to write a value that the version has no field for', () => {
    expect(() => encode(OffsetFetchRequest, 2, { groupId: 'g', requireStable: true })).toThrow(
      /requireStable/,
    );
  });

  it('refuses null where the version has none', () => {
    const bytes = Buffer.from([0xff, 0xff, 0xff, 0xff]);
    expect(() => codecOf(MetadataRequest, 0).decode(new ByteReader(bytes))).toThrow(/topics is null/);
  });

  it('refuses a count that the remaining bytes cannot hold before it allocates anything', () => {
    const bytes = Buffer.from([0x00, 0x0f, 0x42, 0x40, 0, 0]);
    expect(() => codecOf(MetadataRequest, 0).decode(new ByteReader(bytes))).toThrow(
      /claims 1000000 elements/,
    );
  });

  it('keeps records by reference, without a copy', () => {
    const records = Buffer.alloc(100_000, 7);
    const writer = new ByteWriter(16);
    codecOf(FetchResponse, 11).encode(writer, {
      responses: [
        {
          topic: 't',
          partitions: [
            { partitionIndex: 0, records: [records.subarray(0, 50_000), records.subarray(50_000)] },
          ],
        },
      ],
    });
    const shared = writer.chunks().filter(chunk => chunk.buffer === records.buffer);
    expect(shared.map(chunk => chunk.length)).toEqual([50_000, 50_000]);
  });
});
