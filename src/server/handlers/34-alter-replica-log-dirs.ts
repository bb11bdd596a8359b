import { errorCodeOf } from '../../protocol/errors.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../protocol/messages/34-alter-replica-log-dirs.ts';
import { defineHandler } from '../handler.ts';

/**
 * AlterReplicaLogDirs, v0 to v2 (KIP-113). v1 is as v0; v2 is flexible. The answer says whether the move has begun, or
 * is done already; DescribeLogDirs shows how far it is.
 */
export const alterReplicaLogDirs = defineHandler({
  request: AlterReplicaLogDirsRequest,
  response: AlterReplicaLogDirsResponse,
  authorize: ['Alter Cluster'],
  handle(_context, request, broker) {
    return answer(request, (topic, partition, logDir) => {
      try {
        broker.replicaManager.alterReplicaLogDir({ topic, partition }, logDir);
        return 0;
      } catch (error) {
        return errorCodeOf(error);
      }
    });
  },
  failure: (request, errorCode) => answer(request, () => errorCode),
});

/** Each partition once: of what is named in several directories, the last word counts. */
function answer(
  { dirs }: AlterReplicaLogDirsRequest,
  alter: (topic: string, partition: number, logDir: string) => number,
) {
  const logDirs = new Map<string, Map<number, string>>();
  for (const { path, topics } of dirs) {
    for (const { name, partitions } of topics) {
      const ofTopic = logDirs.get(name) ?? new Map<number, string>();
      logDirs.set(name, ofTopic);
      for (const partition of partitions) ofTopic.set(partition, path);
    }
  }
  return {
    results: Array.from(logDirs, ([topicName, partitions]) => ({
      topicName,
      partitions: Array.from(partitions, ([partitionIndex, logDir]) => ({
        partitionIndex,
        errorCode: alter(topicName, partitionIndex, logDir),
      })),
    })),
  };
}
