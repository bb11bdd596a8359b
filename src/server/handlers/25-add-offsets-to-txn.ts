import { InternalTopic } from '../../metadata/topic-name.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../protocol/messages/25-add-offsets-to-txn.ts';
import { defineHandler } from '../handler.ts';
import { producerErrorCode } from '../producer-error-code.ts';

/** Clients know PRODUCER_FENCED from here on. */
const FENCED_MIN_VERSION = 2;

/**
 * AddOffsetsToTxn, v0 to v4: a producer will commit offsets of a group in its transaction, which takes in the partition
 * of `__consumer_offsets` that the group belongs to.
 *
 * - v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE. Clients of transaction version 2 do without it.
 */
export const addOffsetsToTxn = defineHandler({
  request: AddOffsetsToTxnRequest,
  response: AddOffsetsToTxnResponse,
  authorize: ['Write TransactionalId', 'Read Group'],
  async handle({ apiVersion }, { groupId, ...producer }, broker) {
    const partition = broker.groupCoordinator.partitionFor(groupId);
    const code = await broker.transactionCoordinator.addPartitions({
      ...producer,
      partitions: [{ topic: InternalTopic.CONSUMER_OFFSETS, partition }],
      transactionVersion: 0,
    });
    return { errorCode: producerErrorCode(code, apiVersion, FENCED_MIN_VERSION) };
  },
});
