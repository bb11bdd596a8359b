import { array, f, message, struct, type Infer } from '../schema.ts';

export const ElectLeadersRequest = message(
  'ElectLeadersRequest',
  { kind: 'request', apiKey: 43, versions: '0-2', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    electionType: f('int8', '1+'),
    topicPartitions: f(
      array(
        struct('TopicPartitions', {
          topic: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
      { nullable: '0+' },
    ),
    timeoutMs: f('int32', '0+', { default: 60000 }),
  },
);
export type ElectLeadersRequest = Infer<typeof ElectLeadersRequest>;

export const ElectLeadersResponse = message(
  'ElectLeadersResponse',
  { kind: 'response', apiKey: 43, versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '1+'),
    replicaElectionResults: f(
      array(
        struct('ReplicaElectionResult', {
          topic: f('string', '0+', { entityType: 'topicName' }),
          partitionResult: f(
            array(
              struct('PartitionResult', {
                partitionId: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+' }),
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
export type ElectLeadersResponse = Infer<typeof ElectLeadersResponse>;
