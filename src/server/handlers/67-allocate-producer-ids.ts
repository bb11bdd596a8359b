import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../../protocol/messages/67-allocate-producer-ids.ts';
import { defineControllerHandler } from '../handler.ts';

/** AllocateProducerIds, 0: a block of ids for one broker to give away. */
export const allocateProducerIds = defineControllerHandler({
  request: AllocateProducerIdsRequest,
  response: AllocateProducerIdsResponse,
  authorize: ['ClusterAction Cluster'],
  async handle(_context, { brokerId, brokerEpoch }, { controller }) {
    const { firstProducerId, size } = await controller.allocateProducerIds(brokerId, brokerEpoch);
    return { producerIdStart: firstProducerId, producerIdLen: size };
  },
});
