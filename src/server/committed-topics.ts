import { type Uuid, ZERO_UUID } from '../base/uuid.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { Errors } from '../protocol/errors.ts';

/** A topic of a request to commit offsets, by name or by id. */
interface RequestTopic<P> {
  readonly name: string;
  readonly topicId: Uuid;
  readonly partitions: P[];
}

/** A topic of an answer, as far as the coordinator gives one. */
interface AnsweredTopic {
  readonly partitions?: readonly { readonly errorCode?: number | undefined }[] | undefined;
}

interface ResolvedTopic<T> {
  /** With its name. */
  readonly topic: T;
  /** For each partition of the request. */
  readonly errors: readonly number[];
}

/**
 * The topics of an OffsetCommit or TxnOffsetCommit, and which of their partitions are there: only those are the group
 * coordinator's matter. Its answers come back in the places of the partitions that it was asked about.
 */
export class CommittedTopics<P extends { readonly partitionIndex: number }, T extends RequestTopic<P>> {
  private readonly topics: readonly ResolvedTopic<T>[];

  constructor(topics: readonly T[], byId: boolean, image: MetadataImage) {
    this.topics = topics.map(topic => resolve(topic, byId, image));
  }

  /** What is to be committed: topics with their partitions that are there, none without any. */
  get present(): T[] {
    return this.topics.flatMap(({ topic, errors }) => {
      const partitions = topic.partitions.filter((_, i) => errors[i] === Errors.NONE);
      return partitions.length === 0 ? [] : [{ ...topic, partitions }];
    });
  }

  /** The answer to all topics, from those to {@link present}. */
  answer(answers: readonly AnsweredTopic[]) {
    let next = 0;
    return this.topics.map(({ topic, errors }) => {
      const asked = errors.includes(Errors.NONE);
      const answered = asked ? (answers[next++]?.partitions ?? []) : [];
      let nextPartition = 0;
      return {
        name: topic.name,
        topicId: topic.topicId,
        partitions: topic.partitions.map(({ partitionIndex }, i) => ({
          partitionIndex,
          errorCode:
            errors[i] === Errors.NONE ? (answered[nextPartition++]?.errorCode ?? Errors.NONE) : errors[i]!,
        })),
      };
    });
  }
}

/** The answer of a request that failed as a whole: it has room for errors of partitions only. */
export function failedTopics(
  topics: readonly RequestTopic<{ readonly partitionIndex: number }>[],
  errorCode: number,
) {
  return topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}

function resolve<P extends { readonly partitionIndex: number }, T extends RequestTopic<P>>(
  topic: T,
  byId: boolean,
  image: MetadataImage,
): ResolvedTopic<T> {
  const found = byId ? image.topics.topicById(topic.topicId) : image.topics.topic(topic.name);
  if (found === undefined) {
    const error = byId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION;
    return { topic, errors: topic.partitions.map(() => error) };
  }
  const topicId: Uuid = byId ? topic.topicId : ZERO_UUID;
  return {
    topic: { ...topic, name: found.name, topicId },
    errors: topic.partitions.map(({ partitionIndex }) =>
      found.partitions[partitionIndex] === undefined ? Errors.UNKNOWN_TOPIC_OR_PARTITION : Errors.NONE,
    ),
  };
}
