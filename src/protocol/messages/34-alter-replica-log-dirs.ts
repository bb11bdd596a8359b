import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterReplicaLogDirsRequest = message(
  'AlterReplicaLogDirsRequest',
  { kind: 'request', apiKey: 34, versions: '0-2', flexible: '2+', listeners: ['broker'] },
  {
    dirs: f(
      array(
        struct('AlterReplicaLogDir', {
          path: f('string', '0+', { mapKey: true }),
          topics: f(
            array(
              struct('AlterReplicaLogDirTopic', {
                name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
                partitions: f(array('int32'), '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type AlterReplicaLogDirsRequest = Infer<typeof AlterReplicaLogDirsRequest>;

export const AlterReplicaLogDirsResponse = message(
  'AlterReplicaLogDirsResponse',
  { kind: 'response', apiKey: 34, versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    results: f(
      array(
        struct('AlterReplicaLogDirTopicResult', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('AlterReplicaLogDirPartitionResult', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type AlterReplicaLogDirsResponse = Infer<typeof AlterReplicaLogDirsResponse>;
