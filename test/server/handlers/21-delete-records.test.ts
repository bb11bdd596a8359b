import { describe, expect, test } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../../src/protocol/messages/21-delete-records.ts';
import type { DeleteRecordsEntry } from '../../../src/replication/delayed-delete-records.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { deleteRecords } from '../../../src/server/handlers/21-delete-records.ts';
import { ask } from './handler-harness.ts';

const TYPES = [DeleteRecordsRequest, DeleteRecordsResponse] as const;

describe('DeleteRecords', () => {
  test.each([0, 1, 2])('version %i answers each partition once, by the last word on it', async version => {
    const asked: unknown[] = [];
    const services = {
      replicaManager: {
        deleteRecords(
          entries: readonly DeleteRecordsEntry[],
          timeoutMs: number,
          onComplete: (r: unknown) => void,
        ) {
          asked.push(
            timeoutMs,
            ...entries.map(e => [e.topicPartition.topic, e.topicPartition.partition, e.offset]),
          );
          onComplete(
            entries.map(({ offset }) =>
              offset === 99
                ? { errorCode: Errors.OFFSET_OUT_OF_RANGE, lowWatermark: -1 }
                : { errorCode: Errors.NONE, lowWatermark: offset },
            ),
          );
        },
      },
    } as unknown as BrokerServices;
    const answer = await ask(deleteRecords, services, TYPES, version, {
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, offset: 1 },
            { partitionIndex: 1, offset: 99 },
          ],
        },
        { name: '__proto__', partitions: [{ partitionIndex: 0, offset: 2n ** 60n }] },
        { name: 't', partitions: [{ partitionIndex: 0, offset: 5 }] },
      ],
      timeoutMs: 1234,
    });
    expect(asked).toEqual([1234, ['t', 0, 5], ['t', 1, 99], ['__proto__', 0, 2n ** 60n]]);
    expect(answer!.topics).toEqual([
      {
        name: 't',
        partitions: [
          { partitionIndex: 0, lowWatermark: 5, errorCode: Errors.NONE },
          { partitionIndex: 1, lowWatermark: -1, errorCode: Errors.OFFSET_OUT_OF_RANGE },
        ],
      },
      {
        name: '__proto__',
        partitions: [{ partitionIndex: 0, lowWatermark: 2n ** 60n, errorCode: Errors.NONE }],
      },
    ]);
  });

  test('a request without topics is answered without any', async () => {
    const services = {
      replicaManager: {
        deleteRecords: (_entries: unknown, _timeoutMs: number, onComplete: (r: unknown) => void) =>
          onComplete([]),
      },
    } as unknown as BrokerServices;
    const answer = await ask(deleteRecords, services, TYPES, 2, { topics: [], timeoutMs: 0 });
    expect(answer!.topics).toEqual([]);
  });
});
