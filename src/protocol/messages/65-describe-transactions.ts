import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeTransactionsRequest = message(
  'DescribeTransactionsRequest',
  { kind: 'request', apiKey: 65, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    transactionalIds: f(array('string'), '0+', { entityType: 'transactionalId' }),
  },
);
export type DescribeTransactionsRequest = Infer<typeof DescribeTransactionsRequest>;

export const DescribeTransactionsResponse = message(
  'DescribeTransactionsResponse',
  { kind: 'response', apiKey: 65, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    transactionStates: f(
      array(
        struct('TransactionState', {
          errorCode: f('int16', '0+'),
          transactionalId: f('string', '0+', { entityType: 'transactionalId' }),
          transactionState: f('string', '0+'),
          transactionTimeoutMs: f('int32', '0+'),
          transactionStartTimeMs: f('int64', '0+'),
          producerId: f('int64', '0+', { entityType: 'producerId' }),
          producerEpoch: f('int16', '0+'),
          topics: f(
            array(
              struct('TopicData', {
                topic: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
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
export type DescribeTransactionsResponse = Infer<typeof DescribeTransactionsResponse>;
