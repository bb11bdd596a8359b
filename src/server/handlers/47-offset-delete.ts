import { Errors } from '../../protocol/errors.ts';
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import { defineHandler } from '../handler.ts';

/** OffsetDelete, v0. */
export const offsetDelete = defineHandler({
  request: OffsetDeleteRequest,
  response: OffsetDeleteResponse,
  authorize: ['Delete Group', 'Read Topic'],
  handle(_context, request, broker) {
    const { topics } = broker.metadata();
    const isKnown = (topic: string, partition: number) =>
      topics.topic(topic)?.partitions[partition] !== undefined;
    const valid = [];
    for (const { name, partitions } of request.topics) {
      const known = partitions.filter(({ partitionIndex }) => isKnown(name, partitionIndex));
      if (known.length > 0) valid.push({ name, partitions: known });
    }
    const answered = broker.groupCoordinator.deleteOffsets({ ...request, topics: valid });
    return answered.then(answer => {
      let next = 0;
      return {
        errorCode: answer.errorCode ?? Errors.NONE,
        topics: request.topics.map(({ name, partitions }) => {
          const asked = partitions.some(({ partitionIndex }) => isKnown(name, partitionIndex));
          const results = asked ? (answer.topics?.[next++]?.partitions ?? []) : [];
          let nextResult = 0;
          return {
            name,
            partitions: partitions.map(({ partitionIndex }) => ({
              partitionIndex,
              errorCode: isKnown(name, partitionIndex)
                ? (results[nextResult++]?.errorCode ?? Errors.NONE)
                : Errors.UNKNOWN_TOPIC_OR_PARTITION,
            })),
          };
        }),
      };
    });
  },
});
