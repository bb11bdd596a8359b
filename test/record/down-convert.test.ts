import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareCodecs } from '../../src/compression/codecs.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { downConvert } from '../../src/record/down-convert.ts';
import { type LegacyMagic, legacyRecords, messagesOf } from '../../src/record/message-set.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { goldenRecords } from './golden-records.ts';

const golden = goldenRecords('golden-down-conversions');

beforeAll(prepareCodecs);

describe.each([0, 1] as LegacyMagic[])('records converted down to v%i', magic => {
  for (const type of ['createtime', 'logappendtime']) {
    for (const first of [200, 203]) {
      it(`are those of Apache Kafka 3.9.1 (${type}, from offset ${first})`, () => {
        const { records, recordCount, nextOffset } = downConvert(
          golden.get(`none-${type}-v2`)!,
          magic,
          first,
        );
        expect(records.toString('hex')).toBe(
          golden.get(`none-${type}-v${magic}-from-${first}`)!.toString('hex'),
        );
        expect(recordCount).toBe(first === 200 ? 8 : 6);
        expect(nextOffset).toBe(307);
      });

      it(`are compressed as before, with what Apache Kafka 3.9.1 puts inside (${type}, from offset ${first})`, () => {
        const ours = [...messagesOf(downConvert(golden.get(`gzip-${type}-v2`)!, magic, first).records)];
        const theirs = [...messagesOf(golden.get(`gzip-${type}-v${magic}-from-${first}`)!)];
        expect(ours.length).toBe(theirs.length);
        ours.forEach((message, i) => {
          const other = theirs[i]!;
          expect(message.isValid()).toBe(true);
          expect([message.offset, message.timestamp, message.attributes]).toEqual([
            other.offset,
            other.timestamp,
            other.attributes,
          ]);
          expect(gunzipSync(message.value()!).toString('hex')).toBe(
            gunzipSync(other.value()!).toString('hex'),
          );
          expect([...legacyRecords(message)]).toEqual([...legacyRecords(other)]);
        });
      });
    }
  }
});

describe('downConvert', () => {
  const one = (options: ConstructorParameters<typeof RecordBatchBuilder>[0]) =>
    new RecordBatchBuilder(options).append({ timestamp: 1, key: null, value: Buffer.alloc(1000) }).build();

  it('refuses zstd, and stops before it where something came first', () => {
    const zstd = one({ baseOffset: 1, compression: 4 });
    expect(() => downConvert(zstd, 1, 1)).toThrow(
      expect.objectContaining({ code: Errors.UNSUPPORTED_COMPRESSION_TYPE }),
    );
    const { recordCount, nextOffset } = downConvert(Buffer.concat([one({ baseOffset: 0 }), zstd]), 1, 0);
    expect([recordCount, nextOffset]).toEqual([1, 1]);
  });

  it('stops when it has enough, after one batch at least', () => {
    const run = Buffer.concat([0, 1, 2, 3].map(baseOffset => one({ baseOffset })));
    expect(downConvert(run, 1, 0, 1).nextOffset).toBe(1);
    expect(downConvert(run, 1, 0, 1500).nextOffset).toBe(2);
    expect(downConvert(run, 1, 0).nextOffset).toBe(4);
  });

  it('says where to go on when nothing but control records was there', () => {
    const run = one({ baseOffset: 6, isControlBatch: true });
    expect(downConvert(run, 0, 6)).toEqual({ records: Buffer.alloc(0), recordCount: 0, nextOffset: 7 });
  });

  it('decompresses within the limit only', () => {
    expect(() => downConvert(one({ compression: 1 }), 1, 0, 1e9, 500)).toThrow('limit');
  });
});
