import { logDirectoryName } from '../log/log-file-names.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import { InternalTopic } from '../metadata/topic-name.ts';

/** The metadata log, as a partition. */
export const METADATA_PARTITION: TopicPartition = { topic: InternalTopic.CLUSTER_METADATA, partition: 0 };
/** The directory of the metadata log, inside `metadata.log.dir`. */
export const METADATA_DIRECTORY = logDirectoryName(METADATA_PARTITION);
/** The election state, in that directory. */
export const QUORUM_STATE_FILE = 'quorum-state';
