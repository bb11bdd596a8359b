import { array, f, message, struct, type Infer } from '../schema.ts';

export const ListTransactionsRequest = message(
  'ListTransactionsRequest',
  { kind: 'request', apiKey: 66, versions: '0-2', flexible: '0+', listeners: ['broker'] },
  {
    stateFilters: f(array('string'), '0+'),
    producerIdFilters: f(array('int64'), '0+', { entityType: 'producerId' }),
    durationFilter: f('int64', '1+', { default: -1 }),
    transactionalIdPattern: f('string', '2+', { nullable: '2+', default: null }),
  },
);
export type ListTransactionsRequest = Infer<typeof ListTransactionsRequest>;

export const ListTransactionsResponse = message(
  'ListTransactionsResponse',
  { kind: 'response', apiKey: 66, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    unknownStateFilters: f(array('string'), '0+'),
    transactionStates: f(
      array(
        struct('TransactionState', {
          transactionalId: f('string', '0+', { entityType: 'transactionalId' }),
          producerId: f('int64', '0+', { entityType: 'producerId' }),
          transactionState: f('string', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ListTransactionsResponse = Infer<typeof ListTransactionsResponse>;
