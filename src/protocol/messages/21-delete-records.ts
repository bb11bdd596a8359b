import { array, f, message, struct, type Infer } from '../schema.ts';

export const DeleteRecordsRequest = message(
  'DeleteRecordsRequest',
  { kind: 'request', apiKey: 21, versions: '0-2', flexible: '2+', listeners: ['broker'] },
  {
    topics: f(
      array(
        struct('DeleteRecordsTopic', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('DeleteRecordsPartition', {
                partitionIndex: f('int32', '0+'),
                offset: f('int64', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    timeoutMs: f('int32', '0+'),
  },
);
export type DeleteRecordsRequest = Infer<typeof DeleteRecordsRequest>;

export const DeleteRecordsResponse = message(
  'DeleteRecordsResponse',
  { kind: 'response', apiKey: 21, versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    topics: f(
      array(
        struct('DeleteRecordsTopicResult', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(
            array(
              struct('DeleteRecordsPartitionResult', {
                partitionIndex: f('int32', '0+', { mapKey: true }),
                lowWatermark: f('int64', '0+'),
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
export type DeleteRecordsResponse = Infer<typeof DeleteRecordsResponse>;
