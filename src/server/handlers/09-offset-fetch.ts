import { ZERO_UUID } from '../../base/uuid.ts';
import type { OffsetFetchGroup, OffsetFetchGroupAnswer } from '../../coordinator/group/offset-manager.ts';
import type { MetadataImage } from '../../metadata/metadata-image.ts';
import { errorCodeOf, Errors, KafkaError } from '../../protocol/errors.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import type { Input } from '../../protocol/schema.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler } from '../handler.ts';

type Answer = Input<typeof OffsetFetchResponse>;

/** An error of the group has a field of its own from here on. */
const TOP_LEVEL_ERROR_MIN_VERSION = 2;
/** A request may ask for several groups from here on. */
const GROUPS_MIN_VERSION = 8;
/** Topics have ids instead of names from here on. */
const TOPIC_ID_MIN_VERSION = 10;
const INVALID_OFFSET = -1;

/**
 * OffsetFetch, v0 to v10.
 *
 * - v0: offsets that went to ZooKeeper: refused, as by Apache Kafka 3.9 with KRaft.
 * - v2: null topics ask for all, an error code for the group. v3: throttle time. v5: leader epochs. v6: flexible.
 * - v7: stable offsets only, on demand. v8: several groups. v9: members of consumer groups (KIP-848).
 * - v10: topics by id.
 */
export const offsetFetch = defineHandler({
  request: OffsetFetchRequest,
  response: OffsetFetchResponse,
  authorize: ['Describe Group', 'Describe Topic'],
  handle({ apiVersion }, request, broker) {
    if (apiVersion === 0) {
      throw new KafkaError(Errors.UNSUPPORTED_VERSION, 'offsets of version 0 were kept in ZooKeeper');
    }
    const fetches = groupsOf(request, apiVersion).map(group =>
      fetchGroup(group, request.requireStable, apiVersion, broker),
    );
    return Promise.all(fetches).then(groups =>
      apiVersion >= GROUPS_MIN_VERSION ? { groups } : singleAnswer(groups[0]!, request, apiVersion),
    );
  },
  failure(request, errorCode, _message, { apiVersion }): Answer {
    const groups = groupsOf(request, apiVersion).map(({ groupId }) => ({ groupId, errorCode }));
    return apiVersion >= GROUPS_MIN_VERSION ? { groups } : singleAnswer(groups[0]!, request, apiVersion);
  },
});

function groupsOf(request: OffsetFetchRequest, apiVersion: number): OffsetFetchGroup[] {
  if (apiVersion >= GROUPS_MIN_VERSION) return request.groups;
  const topics = request.topics?.map(topic => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  return [{ groupId: request.groupId, memberId: null, memberEpoch: -1, topics }];
}

/** Never rejects: an error is the group's own. */
async function fetchGroup(
  group: OffsetFetchGroup,
  requireStable: boolean,
  apiVersion: number,
  broker: BrokerServices,
): Promise<OffsetFetchGroupAnswer> {
  const { groupId } = group;
  try {
    if (apiVersion < TOPIC_ID_MIN_VERSION)
      return await broker.groupCoordinator.fetchOffsets(group, requireStable);
    return group.topics === null
      ? withTopicIds(await broker.groupCoordinator.fetchOffsets(group, requireStable), broker.metadata())
      : await fetchById(group, group.topics, requireStable, broker);
  } catch (error) {
    return { groupId, errorCode: errorCodeOf(error) };
  }
}

async function fetchById(
  group: OffsetFetchGroup,
  topics: NonNullable<OffsetFetchGroup['topics']>,
  requireStable: boolean,
  broker: BrokerServices,
): Promise<OffsetFetchGroupAnswer> {
  const image = broker.metadata();
  const named = topics.map(topic => ({ ...topic, name: image.topics.topicById(topic.topicId)?.name ?? '' }));
  const known = named.filter(topic => topic.name !== '');
  const answer = await broker.groupCoordinator.fetchOffsets({ ...group, topics: known }, requireStable);
  let next = 0;
  return {
    ...answer,
    topics: named.map(({ name, topicId, partitionIndexes }) =>
      name !== ''
        ? answer.topics![next++]!
        : {
            topicId,
            partitions: partitionIndexes.map(index => failedPartition(index, Errors.UNKNOWN_TOPIC_ID)),
          },
    ),
  };
}

/** Offsets of topics that are gone have no id to be told by: they are left out. */
function withTopicIds(answer: OffsetFetchGroupAnswer, image: MetadataImage): OffsetFetchGroupAnswer {
  const topics = [];
  for (const topic of answer.topics ?? []) {
    const found = image.topics.topic(topic.name ?? '');
    if (found !== undefined) topics.push({ ...topic, topicId: found.id });
  }
  return { ...answer, topics };
}

/** The answer of the versions that know only one group. */
function singleAnswer(
  group: OffsetFetchGroupAnswer,
  request: OffsetFetchRequest,
  apiVersion: number,
): Answer {
  const errorCode = group.errorCode ?? Errors.NONE;
  if (errorCode === Errors.NONE)
    return { topics: (group.topics ?? []).map(({ name, partitions }) => ({ name, partitions })) };
  if (apiVersion >= TOP_LEVEL_ERROR_MIN_VERSION) return { errorCode };
  return {
    topics: (request.topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(index => failedPartition(index, errorCode)),
    })),
  };
}

function failedPartition(partitionIndex: number, errorCode: number) {
  return {
    partitionIndex,
    committedOffset: INVALID_OFFSET,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode,
  };
}
