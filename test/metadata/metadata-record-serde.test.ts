import { describe, expect, it } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import { METADATA_RECORDS, metadataRecord } from '../../src/metadata/metadata-record.ts';
import { decodeMetadataRecord, encodeMetadataRecord } from '../../src/metadata/metadata-record-serde.ts';
import { sampleRecords } from './support/sample-records.ts';

describe('metadata record serde', () => {
  it('has a sample of every record there is', () => {
    expect(sampleRecords.map(record => record.type).sort()).toEqual(Object.keys(METADATA_RECORDS).sort());
  });

  it.each(sampleRecords.map(record => [record.type, record] as const))(
    'reads %s back as it was written',
    (_type, record) => {
      expect(decodeMetadataRecord(encodeMetadataRecord(record))).toEqual(record);
    },
  );

  it('writes the bytes that Apache Kafka writes', () => {
    const feature = metadataRecord('FeatureLevelRecord', { name: 'metadata.version', featureLevel: 30 });
    expect(encodeMetadataRecord(feature).toString('hex')).toBe(
      `010c0011${Buffer.from('metadata.version').toString('hex')}001e00`,
    );
    expect(encodeMetadataRecord(metadataRecord('NoOpRecord', {})).toString('hex')).toBe('01140000');
  });

  it('refuses an unknown frame version, record, or version of it, a cut record, and bytes that are left over', () => {
    const bytes = encodeMetadataRecord(metadataRecord('FeatureLevelRecord', { name: 'a', featureLevel: 1 }));
    const changed = (index: number, value: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[index] = value;
      return copy;
    };
    expect(() => decodeMetadataRecord(changed(0, 2))).toThrow('frame version 2');
    expect(() => decodeMetadataRecord(changed(1, 6))).toThrow('no metadata record with key 6');
    expect(() => decodeMetadataRecord(changed(2, 1))).toThrow('FeatureLevelRecord has version 1');
    expect(() => decodeMetadataRecord(Buffer.concat([bytes, Buffer.of(0)]))).toThrow('1 bytes follow');
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeMetadataRecord(bytes.subarray(0, end))).toThrow(MalformedError);
    }
  });
});
