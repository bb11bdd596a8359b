import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ClientTransaction } from '../../src/coordinator/runtime/partition-writer.ts';
import { VerificationGuard } from '../../src/log/verification-guard.ts';
import { Errors, errorName, type KafkaError } from '../../src/protocol/errors.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { transactionMarkerBatch } from '../../src/record/transaction-marker.ts';
import type { TransactionVerification } from '../../src/replication/transaction-verifier.ts';
import { ReplicaPartitionWriter } from '../../src/server/partition-writer.ts';
import { batchOf } from '../log/log-fixture.ts';
import { TestBroker } from '../support/test-broker.ts';
import { RawClient } from './raw-client.ts';

const STATE = { topic: 'state', partition: 0 };

describe('what a coordinator writes in transactions', () => {
  let broker: TestBroker;
  let writer: ReplicaPartitionWriter;
  const asked: TransactionVerification[] = [];
  let code: number;
  let nextProducerId = 1;

  beforeAll(async () => {
    broker = await TestBroker.start();
    const client = await RawClient.connect(broker.port);
    const topics = [{ name: 'state', numPartitions: 1, replicationFactor: 1 }];
    await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5000 });
    client.close();
    await vi.waitFor(() => expect(broker.services.replicaManager.partition('state', 0)?.isLeader).toBe(true));
    writer = new ReplicaPartitionWriter(broker.services.replicaManager, {
      verify: async verification => {
        asked.push(verification);
        return [code];
      },
    });
  });

  afterAll(() => broker.close());

  function transaction(fields: Partial<ClientTransaction> = {}): ClientTransaction {
    asked.length = 0;
    code = Errors.NONE;
    const producerId = nextProducerId++;
    return {
      transactionalId: 'txn',
      producerId,
      producerEpoch: 0,
      operation: 'genericErrorSupported',
      ...fields,
    };
  }

  const epoch = () => broker.services.replicaManager.partition('state', 0)!.leaderEpoch;

  function append({ producerId, producerEpoch }: ClientTransaction, guard?: VerificationGuard): string {
    const ids = { producerId, producerEpoch, baseSequence: 0, isTransactional: true };
    return outcome(() => writer.append(STATE, epoch(), batchOf(ids), { verificationGuard: guard }));
  }

  function end(of: ClientTransaction, producerEpoch: number, transactionVersion: number): string {
    const marker = {
      producerId: of.producerId,
      producerEpoch,
      coordinatorEpoch: 0,
      isCommit: true,
      transactionVersion,
    };
    return outcome(() =>
      writer.append(STATE, epoch(), transactionMarkerBatch(marker, 1_700_000_000_000), {
        transactionVersion,
      }),
    );
  }

  function outcome(action: () => unknown): string {
    try {
      action();
      return 'NONE';
    } catch (error) {
      return errorName((error as KafkaError).code);
    }
  }

  it('are verified once, before the first batch', async () => {
    const txn = transaction();
    expect(append(txn)).toBe('INVALID_TXN_STATE');
    const guard = await writer.verifyTransaction(STATE, txn);
    expect(asked).toEqual([{ ...txn, partitions: [STATE] }]);
    expect(guard).toBeInstanceOf(VerificationGuard);
    expect(append(txn, guard)).toBe('NONE');
    // The sequences of a coordinator do not go on from each other.
    expect(writer.verifyTransaction(STATE, txn)).toBeUndefined();
    expect(append(txn)).toBe('NONE');
    expect(end(txn, 0, 0)).toBe('NONE');
    expect(append(txn)).toBe('INVALID_TXN_STATE');
    expect(writer.verifyTransaction(STATE, txn)).toBeDefined();
  });

  it('are refused with the word of the coordinator of the transaction', async () => {
    const txn = transaction();
    code = Errors.TRANSACTION_ABORTABLE;
    await expect(writer.verifyTransaction(STATE, txn)).rejects.toMatchObject({ code });
  });

  it('are refused where there is nobody to ask', async () => {
    const alone = new ReplicaPartitionWriter(broker.services.replicaManager);
    await expect(alone.verifyTransaction(STATE, transaction())).rejects.toMatchObject({
      code: Errors.INVALID_TXN_STATE,
    });
  });

  it('do not get in with an answer that comes when the transaction has ended', async () => {
    const txn = transaction();
    const verifying = writer.verifyTransaction(STATE, txn);
    expect(end(txn, 0, 0)).toBe('NONE');
    expect(append(txn, await verifying)).toBe('INVALID_TXN_STATE');
  });

  it('are of the epoch that the producer has, and of a partition that is here', () => {
    const txn = transaction({ producerEpoch: 3 });
    expect(end(txn, 4, 0)).toBe('NONE');
    expect(outcome(() => writer.verifyTransaction(STATE, txn))).toBe('INVALID_PRODUCER_EPOCH');
    expect(outcome(() => writer.verifyTransaction({ topic: 'none', partition: 0 }, txn))).toBe(
      'UNKNOWN_TOPIC_OR_PARTITION',
    );
    expect(asked).toEqual([]);
  });

  it('end with the epoch after theirs in version 2 of transactions', async () => {
    const txn = transaction({ operation: 'addPartition' });
    expect(append(txn, await writer.verifyTransaction(STATE, txn))).toBe('NONE');
    expect(end(txn, 0, 2)).toBe('INVALID_PRODUCER_EPOCH');
    const next = { ...txn, producerEpoch: 1 };
    const guard = await writer.verifyTransaction(STATE, next);
    expect(end(txn, 1, 2)).toBe('NONE');
    // The next transaction asked before the marker of this one had come.
    expect(append(next, guard)).toBe('NONE');
    expect(append(txn)).toBe('INVALID_PRODUCER_EPOCH');
  });
});
