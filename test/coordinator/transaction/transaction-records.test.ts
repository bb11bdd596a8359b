import { describe, expect, it } from 'vitest';
import { MalformedError } from '../../../src/base/byte-reader.ts';
import {
  newTransactionMetadata,
  type TransactionMetadata,
} from '../../../src/coordinator/transaction/transaction-metadata.ts';
import { transactionRecordSerde } from '../../../src/coordinator/transaction/transaction-records.ts';
import { TransactionState } from '../../../src/coordinator/transaction/transaction-state.ts';

const v0 = transactionRecordSerde(() => 0);
const v1 = transactionRecordSerde(() => 1);
const v2 = transactionRecordSerde(() => 2);

const ongoing: TransactionMetadata = {
  ...newTransactionMetadata(7, 60_000, 1000),
  producerEpoch: 3,
  previousProducerId: 7,
  state: TransactionState.ONGOING,
  partitions: new Map([
    ['a', new Set([0, 5])],
    ['__proto__', new Set([1])],
  ]),
  startTimestamp: 900,
  clientTransactionVersion: 2,
};

describe('records of transactional ids', () => {
  it('are read as they were written, in either version', () => {
    for (const serde of [v1, v2]) {
      const { key, value } = serde.serialize({ transactionalId: 'é', metadata: ongoing });
      expect(serde.deserialize(key, value)).toEqual({ transactionalId: 'é', metadata: ongoing });
    }
    const { key, value } = v0.serialize({ transactionalId: 'é', metadata: ongoing });
    expect(v0.deserialize(key, value)).toEqual({
      transactionalId: 'é',
      metadata: { ...ongoing, previousProducerId: -1, clientTransactionVersion: 0 },
    });
  });

  it('are in version 0 for brokers that know no other', () => {
    const { key, value } = v0.serialize({
      transactionalId: 'x',
      metadata: { ...newTransactionMetadata(1, 2, 3), producerEpoch: 0 },
    });
    expect(key.toString('hex')).toBe('0000' + '000178');
    expect(value!.toString('hex')).toBe(
      '0000' +
        '0000000000000001' +
        '0000' +
        '00000002' +
        '00' +
        'ffffffff' +
        '0000000000000003' +
        'ffffffffffffffff',
    );
  });

  it('are flexible in version 1, with tags for what version 0 does not have', () => {
    const metadata = { ...newTransactionMetadata(1, 2, 3), producerEpoch: 0, previousProducerId: 1 };
    const { value } = v2.serialize({
      transactionalId: 'x',
      metadata: { ...metadata, clientTransactionVersion: 2 },
    });
    expect(value!.toString('hex')).toBe(
      '0001' +
        '0000000000000001' +
        '0000' +
        '00000002' +
        '00' +
        '00' +
        '0000000000000003' +
        'ffffffffffffffff' +
        // Two tags: the previous producer id, and the client's version.
        '02' +
        '00' +
        '08' +
        '0000000000000001' +
        '02' +
        '02' +
        '0002',
    );
  });

  it('keep producer ids and times past 2^53', () => {
    const metadata = { ...ongoing, producerId: 2n ** 60n + 1n, startTimestamp: 2n ** 61n };
    const { key, value } = v2.serialize({ transactionalId: 'x', metadata });
    expect(v2.deserialize(key, value)!.metadata).toEqual(metadata);
  });

  it('remove an id without a value', () => {
    const { key, value } = v2.serialize({ transactionalId: 'x', metadata: null });
    expect(value).toBeNull();
    expect(v2.deserialize(key, value)).toEqual({ transactionalId: 'x', metadata: null });
  });

  it('of another type are passed over', () => {
    expect(v2.deserialize(Buffer.from([0, 9, 0, 0]), null)).toBeUndefined();
  });

  it('are refused with a state that is never written, and in a version that is not known', () => {
    const { key, value } = v2.serialize({ transactionalId: 'x', metadata: ongoing });
    for (const state of [6, 7, 8, 255]) {
      const bad = Buffer.from(value!);
      bad[16] = state;
      expect(() => v2.deserialize(key, bad)).toThrow(MalformedError);
    }
    const later = Buffer.from(value!);
    later[1] = 2;
    expect(() => v2.deserialize(key, later)).toThrow('version 2 of TransactionLogValue is not known');
    for (let size = 0; size < value!.length; size++)
      expect(() => v2.deserialize(key, value!.subarray(0, size))).toThrow(MalformedError);
  });
});
