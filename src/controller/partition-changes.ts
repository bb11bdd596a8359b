import type { Uuid } from '../base/uuid.ts';
import { DirectoryId } from '../metadata/directory-id.ts';
import { FeatureName } from '../metadata/features.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataRecord, MetadataRecordData } from '../metadata/metadata-record.ts';
import { mergePartition, type PartitionRegistration } from '../metadata/partition-registration.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import {
  type Election,
  PartitionChangeBuilder,
  type PartitionChangeOptions,
} from './partition-change-builder.ts';
import { defaultDirectory } from './replica-placer.ts';

/** What the election needs of a topic's configuration. */
export interface TopicElectionConfigs {
  /** `topic` is a name; the answer counts the defaults of the cluster. */
  minInsyncReplicas(image: MetadataImage, topic: string): number;
  uncleanLeaderElection(image: MetadataImage, topic: string): boolean;
}

export interface ChangeOptions {
  /** As the configuration of the topic allows, if left out: `UNCLEAN` or `ONLINE`. */
  readonly election?: Election;
  /** Whether a broker is up; as the image says, if left out. The state of its directory is looked at in any case. */
  readonly isActive?: (brokerId: number) => boolean;
}

type Change = MetadataRecordData<'PartitionChangeRecord'>;

interface TopicChanges {
  readonly options: PartitionChangeOptions;
  readonly allowsUncleanElection: boolean;
  /** The last change of each partition, and what it is a change of. */
  readonly changes: Map<number, readonly [PartitionRegistration, Change]>;
}

/**
 * The changes of partitions that one operation makes on top of an image. A partition that is changed twice is changed
 * the second time as the first change left it.
 */
export class PartitionChanges {
  readonly image: MetadataImage;
  /** One for each change, in order. */
  readonly records: MetadataRecord[] = [];
  private readonly configs: TopicElectionConfigs;
  private readonly election: Election | undefined;
  private readonly isActive: (brokerId: number) => boolean;
  private readonly topics = new Map<Uuid, TopicChanges>();

  constructor(image: MetadataImage, configs: TopicElectionConfigs, options: ChangeOptions = {}) {
    this.image = image;
    this.configs = configs;
    this.election = options.election;
    this.isActive = options.isActive ?? (brokerId => image.cluster.isActive(brokerId));
  }

  /** With the changes so far; `undefined` for an id that the topic does not have. */
  partition(topic: TopicImage, id: number): PartitionRegistration | undefined {
    const change = this.topics.get(topic.id)?.changes.get(id);
    return change === undefined ? topic.partitions[id] : mergePartition(...change);
  }

  /** Whether its configuration lets a replica lead that may lack records. */
  allowsUncleanElection(topic: TopicImage): boolean {
    return this.of(topic).allowsUncleanElection;
  }

  /** Makes one change, and gives its record; `undefined` if it changes nothing. */
  change(
    topic: TopicImage,
    id: number,
    partition: PartitionRegistration,
    edit: (builder: PartitionChangeBuilder) => void = () => undefined,
  ): Change | undefined {
    const { options, changes } = this.of(topic);
    const builder = new PartitionChangeBuilder(topic.id, id, partition, options);
    edit(builder);
    const record = builder.build();
    if (record === undefined) return undefined;
    this.records.push(record);
    changes.set(id, [partition, record.data]);
    return record.data;
  }

  private of(topic: TopicImage): TopicChanges {
    let changes = this.topics.get(topic.id);
    if (changes === undefined) {
      const { image, configs } = this;
      const allowsUncleanElection = configs.uncleanLeaderElection(image, topic.name);
      const options: PartitionChangeOptions = {
        metadataVersion: image.features.metadataVersion,
        eligibleLeaderReplicas: usesEligibleLeaderReplicas(image),
        minInsyncReplicas: configs.minInsyncReplicas(image, topic.name),
        election: this.election ?? (allowsUncleanElection ? 'UNCLEAN' : 'ONLINE'),
        isAcceptableLeader: (brokerId, directory) =>
          this.isActive(brokerId) && directoryIsOnline(image, brokerId, directory),
        defaultDirectory: brokerId => defaultDirectoryOf(image, brokerId),
      };
      changes = { options, allowsUncleanElection, changes: new Map() };
      this.topics.set(topic.id, changes);
    }
    return changes;
  }
}

/** Whether the controller keeps eligible leader replicas (KIP-966). */
export function usesEligibleLeaderReplicas(image: MetadataImage): boolean {
  return image.features.level(FeatureName.ELIGIBLE_LEADER_REPLICAS_VERSION) > 0;
}

function defaultDirectoryOf(image: MetadataImage, brokerId: number): Uuid {
  const broker = image.cluster.broker(brokerId);
  return broker === undefined ? DirectoryId.UNASSIGNED : defaultDirectory(broker);
}

/** Whether a replica is where it can be read, as far as the controller knows. */
function directoryIsOnline(image: MetadataImage, brokerId: number, directory: Uuid | undefined): boolean {
  if (
    directory === undefined ||
    directory === DirectoryId.MIGRATING ||
    directory === DirectoryId.UNASSIGNED
  ) {
    return true;
  }
  return image.cluster.broker(brokerId)?.directories.includes(directory) ?? false;
}
