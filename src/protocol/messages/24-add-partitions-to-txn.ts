import { array, f, message, struct, type Infer } from '../schema.ts';

const AddPartitionsToTxnRequestAddPartitionsToTxnTopic = struct('AddPartitionsToTxnTopic', {
  name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
  partitions: f(array('int32'), '0+'),
});

export const AddPartitionsToTxnRequest = message(
  'AddPartitionsToTxnRequest',
  { kind: 'request', apiKey: 24, versions: '0-5', flexible: '3+', listeners: ['broker'] },
  {
    transactions: f(
      array(
        struct('AddPartitionsToTxnTransaction', {
          transactionalId: f('string', '4+', { mapKey: true, entityType: 'transactionalId' }),
          producerId: f('int64', '4+', { entityType: 'producerId' }),
          producerEpoch: f('int16', '4+'),
          verifyOnly: f('bool', '4+'),
          topics: f(array(AddPartitionsToTxnRequestAddPartitionsToTxnTopic), '4+'),
        }),
      ),
      '4+',
    ),
    v3AndBelowTransactionalId: f('string', '0-3', { entityType: 'transactionalId' }),
    v3AndBelowProducerId: f('int64', '0-3', { entityType: 'producerId' }),
    v3AndBelowProducerEpoch: f('int16', '0-3'),
    v3AndBelowTopics: f(array(AddPartitionsToTxnRequestAddPartitionsToTxnTopic), '0-3'),
  },
);
export type AddPartitionsToTxnRequest = Infer<typeof AddPartitionsToTxnRequest>;

const AddPartitionsToTxnResponseAddPartitionsToTxnPartitionResult = struct(
  'AddPartitionsToTxnPartitionResult',
  {
    partitionIndex: f('int32', '0+', { mapKey: true }),
    partitionErrorCode: f('int16', '0+'),
  },
);

const AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult = struct('AddPartitionsToTxnTopicResult', {
  name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
  resultsByPartition: f(array(AddPartitionsToTxnResponseAddPartitionsToTxnPartitionResult), '0+'),
});

export const AddPartitionsToTxnResponse = message(
  'AddPartitionsToTxnResponse',
  { kind: 'response', apiKey: 24, versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '4+', { ignorable: true }),
    resultsByTransaction: f(
      array(
        struct('AddPartitionsToTxnResult', {
          transactionalId: f('string', '4+', { mapKey: true, entityType: 'transactionalId' }),
          topicResults: f(array(AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult), '4+'),
        }),
      ),
      '4+',
    ),
    resultsByTopicV3AndBelow: f(array(AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult), '0-3'),
  },
);
export type AddPartitionsToTxnResponse = Infer<typeof AddPartitionsToTxnResponse>;
