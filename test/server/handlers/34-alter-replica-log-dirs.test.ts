import { describe, expect, test } from 'vitest';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../../src/protocol/messages/34-alter-replica-log-dirs.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { alterReplicaLogDirs } from '../../../src/server/handlers/34-alter-replica-log-dirs.ts';
import { ask } from './handler-harness.ts';

describe('AlterReplicaLogDirs', () => {
  test.each([0, 1, 2])('version %i answers each partition once, by the last word on it', async version => {
    const asked: string[] = [];
    const services = {
      replicaManager: {
        alterReplicaLogDir({ topic, partition }: { topic: string; partition: number }, logDir: string) {
          asked.push(`${topic}-${partition} ${logDir}`);
          if (logDir === '/nowhere') throw new KafkaError(Errors.LOG_DIR_NOT_FOUND, 'no');
        },
      },
    } as unknown as BrokerServices;
    const types = [AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse] as const;
    const answer = await ask(alterReplicaLogDirs, services, types, version, {
      dirs: [
        { path: '/a', topics: [{ name: 't', partitions: [0, 1] }] },
        { path: '/nowhere', topics: [{ name: '__proto__', partitions: [0] }] },
        { path: '/b', topics: [{ name: 't', partitions: [1] }] },
      ],
    });
    expect(asked).toEqual(['t-0 /a', 't-1 /b', '__proto__-0 /nowhere']);
    expect(answer!.results).toEqual([
      {
        topicName: 't',
        partitions: [
          { partitionIndex: 0, errorCode: Errors.NONE },
          { partitionIndex: 1, errorCode: Errors.NONE },
        ],
      },
      { topicName: '__proto__', partitions: [{ partitionIndex: 0, errorCode: Errors.LOG_DIR_NOT_FOUND }] },
    ]);
  });
});
