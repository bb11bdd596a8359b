import type { LogDirDescription } from '../../log/log-manager.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import { defineHandler } from '../handler.ts';

/**
 * DescribeLogDirs, 0 to 5. v3 a top-level error; v4 the space of the file system (KIP-827); v5 whether a directory gets
 * no new replicas (KIP-1066).
 */
export const describeLogDirs = defineHandler({
  request: DescribeLogDirsRequest,
  response: DescribeLogDirsResponse,
  authorize: ['Describe Cluster'],
  handle(_context, request, broker) {
    const wanted =
      request.topics === null
        ? undefined
        : new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]));
    const cordoned = broker.metadata().cluster.broker(broker.nodeId)?.cordonedDirectories ?? [];
    const results = broker.logManager.describeLogDirs().map(directory => ({
      errorCode: directory.errorCode,
      logDir: directory.logDir,
      topics: directory.errorCode === Errors.NONE ? topicsOf(directory, wanted) : [],
      totalBytes: directory.totalBytes,
      usableBytes: directory.usableBytes,
      isCordoned: directory.directoryId !== undefined && cordoned.includes(directory.directoryId),
    }));
    return { errorCode: Errors.NONE, results };
  },
});

function topicsOf(
  directory: LogDirDescription,
  wanted: ReadonlyMap<string, ReadonlySet<number>> | undefined,
) {
  const topics = new Map<string, PartitionSize[]>();
  for (const { topicPartition, sizeInBytes, offsetLag, isFuture } of directory.logs) {
    const { topic, partition } = topicPartition;
    if (wanted !== undefined && wanted.get(topic)?.has(partition) !== true) continue;
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = []));
    partitions.push({
      partitionIndex: partition,
      partitionSize: sizeInBytes,
      offsetLag,
      isFutureKey: isFuture,
    });
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}

interface PartitionSize {
  readonly partitionIndex: number;
  /** Bytes. */
  readonly partitionSize: number;
  readonly offsetLag: number;
  readonly isFutureKey: boolean;
}
