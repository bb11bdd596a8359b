import type { BrokerEpoch } from '../base/int64.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { internalTopic } from '../controller/internal-topics.ts';
import type { ProducerIdBlock } from '../coordinator/transaction/producer-id-manager.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../protocol/messages/67-allocate-producer-ids.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';

const CREATE_TOPICS = { request: CreateTopicsRequest, response: CreateTopicsResponse };
const ALLOCATE_PRODUCER_IDS = { request: AllocateProducerIdsRequest, response: AllocateProducerIdsResponse };

/** Asks the controller for producer ids that are this broker's alone. Rejects with `KafkaError`. */
export async function allocateProducerIds(
  channel: BrokerToControllerChannel,
  brokerId: number,
  brokerEpoch: BrokerEpoch,
  timeoutMs: number,
): Promise<ProducerIdBlock> {
  const { errorCode, producerIdStart, producerIdLen } = await channel.send(
    ALLOCATE_PRODUCER_IDS,
    { brokerId, brokerEpoch },
    { timeoutMs },
  );
  if (errorCode !== Errors.NONE) {
    throw new KafkaError(errorCode, 'the controller gave this broker no producer ids');
  }
  return { firstProducerId: producerIdStart, size: producerIdLen };
}

/**
 * Has the controller create topics that somebody wants to use, with the defaults of the cluster; Kafka's own with their
 * settings. Gives what was wrong with each name, `undefined` for one that is there now, or was already.
 */
export async function createTopicsOnDemand(
  channel: BrokerToControllerChannel,
  names: Iterable<string>,
  config: KafkaConfig,
  timeoutMs: number,
): Promise<Map<string, KafkaError | undefined>> {
  const topics = Array.from(new Set(names), name => internalTopic(name, config) ?? plainTopic(name));
  const answer = await channel.send(CREATE_TOPICS, { topics, timeoutMs }, { timeoutMs });
  return new Map(
    answer.topics.map(({ name, errorCode, errorMessage }) => {
      const isThere = errorCode === Errors.NONE || errorCode === Errors.TOPIC_ALREADY_EXISTS;
      return [name, isThere ? undefined : new KafkaError(errorCode, errorMessage ?? undefined)];
    }),
  );
}

function plainTopic(name: string) {
  return { name, numPartitions: -1, replicationFactor: -1 };
}
