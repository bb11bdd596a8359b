import type { Offset } from '../../base/int64.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import { defineHandler } from '../handler.ts';

/** DeleteRecords, v0 to v2 (KIP-107). v1 is as v0; v2 is flexible. */
export const deleteRecords = defineHandler({
  request: DeleteRecordsRequest,
  response: DeleteRecordsResponse,
  authorize: ['Delete Topic'],
  handle(_context, { topics, timeoutMs }, broker) {
    const offsets = offsetsOf(topics);
    const entries = Array.from(offsets, ([topic, partitions]) =>
      Array.from(partitions, ([partition, offset]) => ({ topicPartition: { topic, partition }, offset })),
    ).flat();
    return new Promise(resolve => {
      broker.replicaManager.deleteRecords(entries, timeoutMs, results => {
        let next = 0;
        resolve({
          topics: Array.from(offsets, ([name, partitions]) => ({
            name,
            partitions: Array.from(partitions.keys(), partitionIndex => ({
              partitionIndex,
              ...results[next++]!,
            })),
          })),
        });
      });
    });
  },
  failure: ({ topics }, errorCode) => ({
    topics: Array.from(offsetsOf(topics), ([name, partitions]) => ({
      name,
      partitions: Array.from(partitions.keys(), partitionIndex => ({
        partitionIndex,
        lowWatermark: -1,
        errorCode,
      })),
    })),
  }),
});

/** By topic and partition: of what is named twice, the last word counts. */
function offsetsOf(topics: DeleteRecordsRequest['topics']): Map<string, Map<number, Offset>> {
  const offsets = new Map<string, Map<number, Offset>>();
  for (const { name, partitions } of topics) {
    const ofTopic = offsets.get(name) ?? new Map<number, Offset>();
    offsets.set(name, ofTopic);
    for (const { partitionIndex, offset } of partitions) ofTopic.set(partitionIndex, offset);
  }
  return offsets;
}
