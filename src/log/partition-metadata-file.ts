import type { Disk } from '../runtime/runtime.ts';
import { PARTITION_METADATA } from './log-file-names.ts';
import { isUuid, type Uuid, ZERO_UUID } from '../base/uuid.ts';

/**
 * `partition.metadata`: the topic id that a partition's directory belongs to.
 *
 *     version: 0
 *     topic_id: 4sYNNVlkRVWWN2t2xZ0lpg
 */
export const PartitionMetadataFile = {
  format(topicId: Uuid): Buffer {
    return Buffer.from(`version: 0\ntopic_id: ${topicId}`);
  },

  /** `undefined` if the text is torn or not of version 0. */
  parse(content: Buffer): Uuid | undefined {
    const match = /^version: (\d+)\s*\ntopic_id: (\S+)\s*$/.exec(content.toString('utf8'));
    if (match === null || match[1] !== '0' || !isUuid(match[2]!) || match[2] === ZERO_UUID) return undefined;
    return match[2];
  },
};

/**
 * Writes `partition.metadata`. It is not fsynced: a directory whose topic id a power failure took is given
 * the one that the metadata names for it.
 */
export function writeTopicId(disk: Disk, directory: string, topicId: Uuid): void {
  const file = disk.openSync(`${directory}/${PARTITION_METADATA}`, 'write');
  try {
    file.writeSync([PartitionMetadataFile.format(topicId)], 0);
  } finally {
    file.closeSync();
  }
}
