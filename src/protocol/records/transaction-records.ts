import { array, f, message, struct, type Infer } from '../schema.ts';

export const TransactionLogKey = message(
  'TransactionLogKey',
  { kind: 'coordinator-key', apiKey: 0, versions: '0', flexible: 'none' },
  {
    transactionalId: f('string', '0'),
  },
);
export type TransactionLogKey = Infer<typeof TransactionLogKey>;

export const TransactionLogValue = message(
  'TransactionLogValue',
  { kind: 'coordinator-value', apiKey: 0, versions: '0-1', flexible: '1+' },
  {
    producerId: f('int64', '0+'),
    previousProducerId: f('int64', '1+', { default: -1, tag: 0, tagged: '1+' }),
    nextProducerId: f('int64', '1+', { default: -1, tag: 1, tagged: '1+' }),
    producerEpoch: f('int16', '0+'),
    nextProducerEpoch: f('int16', '1+', { default: -1, tag: 3, tagged: '1+' }),
    transactionTimeoutMs: f('int32', '0+'),
    transactionStatus: f('int8', '0+'),
    transactionPartitions: f(
      array(
        struct('PartitionsSchema', {
          topic: f('string', '0+'),
          partitionIds: f(array('int32'), '0+'),
        }),
      ),
      '0+',
      { nullable: '0+' },
    ),
    transactionLastUpdateTimestampMs: f('int64', '0+'),
    transactionStartTimestampMs: f('int64', '0+'),
    clientTransactionVersion: f('int16', '1+', { tag: 2, tagged: '1+' }),
  },
);
export type TransactionLogValue = Infer<typeof TransactionLogValue>;
