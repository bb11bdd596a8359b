import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterPartitionRequest = message(
  'AlterPartitionRequest',
  { kind: 'request', apiKey: 56, versions: '0-3', flexible: '0+', listeners: ['controller'] },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+', { default: -1 }),
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0-1', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '2+', { ignorable: true }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                leaderEpoch: f('int32', '0+'),
                newIsr: f(array('int32'), '0-2', { entityType: 'brokerId' }),
                newIsrWithEpochs: f(
                  array(
                    struct('BrokerState', {
                      brokerId: f('int32', '3+', { entityType: 'brokerId' }),
                      brokerEpoch: f('int64', '3+', { default: -1 }),
                    }),
                  ),
                  '3+',
                ),
                leaderRecoveryState: f('int8', '1+'),
                partitionEpoch: f('int32', '0+'),
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
export type AlterPartitionRequest = Infer<typeof AlterPartitionRequest>;

export const AlterPartitionResponse = message(
  'AlterPartitionResponse',
  { kind: 'response', apiKey: 56, versions: '0-3', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0-1', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '2+', { ignorable: true }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                leaderEpoch: f('int32', '0+'),
                isr: f(array('int32'), '0+', { entityType: 'brokerId' }),
                leaderRecoveryState: f('int8', '1+', { ignorable: true }),
                partitionEpoch: f('int32', '0+'),
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
export type AlterPartitionResponse = Infer<typeof AlterPartitionResponse>;
