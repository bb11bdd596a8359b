import { array, f, message, struct, type Infer } from '../schema.ts';

export const AssignReplicasToDirsRequest = message(
  'AssignReplicasToDirsRequest',
  { kind: 'request', apiKey: 73, versions: '0', flexible: '0+', listeners: ['controller'] },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+', { default: -1 }),
    directories: f(
      array(
        struct('DirectoryData', {
          id: f('uuid', '0+'),
          topics: f(
            array(
              struct('TopicData', {
                topicId: f('uuid', '0+'),
                partitions: f(
                  array(
                    struct('PartitionData', {
                      partitionIndex: f('int32', '0+'),
                    }),
                  ),
                  '0+',
                ),
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
export type AssignReplicasToDirsRequest = Infer<typeof AssignReplicasToDirsRequest>;

export const AssignReplicasToDirsResponse = message(
  'AssignReplicasToDirsResponse',
  { kind: 'response', apiKey: 73, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    directories: f(
      array(
        struct('DirectoryData', {
          id: f('uuid', '0+'),
          topics: f(
            array(
              struct('TopicData', {
                topicId: f('uuid', '0+'),
                partitions: f(
                  array(
                    struct('PartitionData', {
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
        }),
      ),
      '0+',
    ),
  },
);
export type AssignReplicasToDirsResponse = Infer<typeof AssignReplicasToDirsResponse>;
