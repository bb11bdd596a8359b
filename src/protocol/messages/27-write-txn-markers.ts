import { array, f, message, struct, type Infer } from '../schema.ts';

export const WriteTxnMarkersRequest = message(
  'WriteTxnMarkersRequest',
  { kind: 'request', apiKey: 27, versions: '0-2', flexible: '1+', listeners: ['broker'] },
  {
    markers: f(
      array(
        struct('WritableTxnMarker', {
          producerId: f('int64', '0+', { entityType: 'producerId' }),
          producerEpoch: f('int16', '0+'),
          transactionResult: f('bool', '0+'),
          topics: f(
            array(
              struct('WritableTxnMarkerTopic', {
                name: f('string', '0+', { entityType: 'topicName' }),
                partitionIndexes: f(array('int32'), '0+'),
              }),
            ),
            '0+',
          ),
          coordinatorEpoch: f('int32', '0+'),
          transactionVersion: f('int8', '2+', { ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type WriteTxnMarkersRequest = Infer<typeof WriteTxnMarkersRequest>;

export const WriteTxnMarkersResponse = message(
  'WriteTxnMarkersResponse',
  { kind: 'response', apiKey: 27, versions: '0-2', flexible: '1+' },
  {
    markers: f(
      array(
        struct('WritableTxnMarkerResult', {
          producerId: f('int64', '0+', { entityType: 'producerId' }),
          topics: f(
            array(
              struct('WritableTxnMarkerTopicResult', {
                name: f('string', '0+', { entityType: 'topicName' }),
                partitions: f(
                  array(
                    struct('WritableTxnMarkerPartitionResult', {
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
export type WriteTxnMarkersResponse = Infer<typeof WriteTxnMarkersResponse>;
