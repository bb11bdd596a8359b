import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import { defineHandler } from '../handler.ts';
import { producerErrorCode } from '../producer-error-code.ts';

/** Clients know PRODUCER_FENCED from here on. */
const FENCED_MIN_VERSION = 4;

/**
 * InitProducerId, v0 to v5: the id and epoch of an idempotent producer, or of a transactional one, whose predecessor
 * with the same transactional id is fenced.
 *
 * - v2: flexible. v3: a producer may give the id and epoch it had, to go on with them (KIP-360). v4: PRODUCER_FENCED.
 *   v5: the client knows TRANSACTION_ABORTABLE (KIP-890). v6, which is not served, is for two-phase commits.
 */
export const initProducerIdHandler = defineHandler({
  request: InitProducerIdRequest,
  response: InitProducerIdResponse,
  authorize: ['Write TransactionalId', 'IdempotentWrite Cluster'],
  async handle({ apiVersion }, request, broker) {
    if ((request.producerId === -1) !== (request.producerEpoch === -1)) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        'a producer id and its epoch come together, or neither does',
      );
    }
    const answer = await broker.transactionCoordinator.initProducerId(request);
    return {
      ...answer,
      errorCode: producerErrorCode(answer.errorCode, apiVersion, FENCED_MIN_VERSION),
    };
  },
  failure: (_request, errorCode) => ({ errorCode, producerId: -1, producerEpoch: -1 }),
});
