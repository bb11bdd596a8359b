import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import { defineHandler } from '../handler.ts';

/**
 * InitProducerId, v0 to v5: the id of an idempotent producer.
 *
 * - v2: flexible. v3: a producer may give the id and epoch it had, to go on with them. v4: PRODUCER_FENCED.
 */
export const initProducerIdHandler = defineHandler({
  request: InitProducerIdRequest,
  response: InitProducerIdResponse,
  authorize: ['Write TransactionalId', 'IdempotentWrite Cluster'],
  async handle(_context, request, broker) {
    const { transactionalId, producerId, producerEpoch } = request;
    if ((producerId === -1) !== (producerEpoch === -1)) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        'a producer id and its epoch come together, or neither does',
      );
    }
    if (transactionalId === '') throw new KafkaError(Errors.INVALID_REQUEST, 'the transactional id is empty');
    if (transactionalId !== null) {
      throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE, 'this broker has no transaction coordinator');
    }
    return { producerId: await broker.producerIdManager.next(), producerEpoch: 0 };
  },
  failure: (_request, errorCode) => ({ errorCode, producerId: -1, producerEpoch: -1 }),
});
