import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeProducersRequest = message(
  'DescribeProducersRequest',
  { kind: 'request', apiKey: 61, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    topics: f(
      array(
        struct('TopicRequest', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitionIndexes: f(array('int32'), '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeProducersRequest = Infer<typeof DescribeProducersRequest>;

export const DescribeProducersResponse = message(
  'DescribeProducersResponse',
  { kind: 'response', apiKey: 61, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    topics: f(
      array(
        struct('TopicResponse', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionResponse', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+', default: null }),
                activeProducers: f(
                  array(
                    struct('ProducerState', {
                      producerId: f('int64', '0+', { entityType: 'producerId' }),
                      producerEpoch: f('int32', '0+'),
                      lastSequence: f('int32', '0+', { default: -1 }),
                      lastTimestamp: f('int64', '0+', { default: -1 }),
                      coordinatorEpoch: f('int32', '0+'),
                      currentTxnStartOffset: f('int64', '0+', { default: -1 }),
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
export type DescribeProducersResponse = Infer<typeof DescribeProducersResponse>;
