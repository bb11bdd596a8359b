import { inVersions, type Message, parseVersions, type TypeRef } from '../../src/protocol/schema.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';

/** What fields hold, by their names. */
const VALUES: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['topic', 'orders'],
  ['topics', 'orders'],
  ['name', 'orders'],
  ['topicName', 'orders'],
  ['resourceName', 'orders'],
  ['resourceType', 2],
  ['groupId', 'group'],
  ['groups', 'group'],
  ['groupsNames', 'group'],
  ['key', 'group'],
  ['coordinatorKeys', 'group'],
  ['clientSoftwareName', 'test'],
  ['clientSoftwareVersion', '1'],
  ['clusterId', null],
  ['nodeId', -1],
  ['replicaId', -1],
  ['replicaEpoch', -1],
  ['currentLeaderEpoch', -1],
  ['lastFetchedEpoch', -1],
  ['timestamp', -1],
  ['maxNumOffsets', 1],
  ['acks', -1],
  ['timeoutMs', 1000],
  ['maxBytes', 1_000_000],
  ['partitionMaxBytes', 1_000_000],
  ['sessionId', 0],
  ['sessionEpoch', -1],
  ['transactionalId', null],
  ['groupInstanceId', null],
  ['endpointType', 1],
  ['generationId', -1],
  ['generationIdOrMemberEpoch', -1],
  ['memberEpoch', -1],
  ['sessionTimeoutMs', 10_000],
  ['rebalanceTimeoutMs', 1000],
  ['numPartitions', 1],
  ['replicationFactor', 1],
  ['count', 3],
  ['producerId', -1],
  ['producerEpoch', -1],
  ['responsePartitionLimit', 10],
  ['forgottenTopicsData', []],
  ['assignments', []],
  ['cursor', null],
  ['configs', []],
  ['configurationKeys', null],
  ['statesFilter', []],
  ['typesFilter', []],
  ['resourceTypes', []],
]);

/** A plausible request of any API at any version, about the topic `orders`: each field that the version has. */
export function sampleRequest(message: Message, version: number, topicId: string): Record<string, unknown> {
  return sampleFields(message.fields, version, topicId);
}

export function sampleRecords(): Buffer {
  return new RecordBatchBuilder({}).append({ timestamp: 1, key: null, value: Buffer.from('v') }).build();
}

function sample(type: TypeRef, name: string, version: number, topicId: string): unknown {
  if (typeof type !== 'string' && 'element' in type) return [sample(type.element, name, version, topicId)];
  if (typeof type !== 'string') return sampleFields(type.fields, version, topicId);
  if (type === 'records') return sampleRecords();
  if (type === 'uuid') return topicId;
  if (type === 'bytes') return Buffer.from('bytes');
  const given = VALUES.get(name);
  if (given !== undefined && given !== null) return given;
  if (type === 'string') return '';
  return type === 'bool' ? false : 0;
}

function sampleFields(fields: Message['fields'], version: number, topicId: string): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const isTagged = field.options.tag !== undefined;
    if (isTagged || !inVersions(parseVersions(field.versions), version)) continue;
    const given = VALUES.get(name);
    const isNull = given === null && inVersions(parseVersions(field.options.nullable), version);
    value[name] = isNull || Array.isArray(given) ? given : sample(field.type, name, version, topicId);
  }
  return value;
}
