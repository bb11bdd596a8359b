import { f, message, type Infer } from '../schema.ts';

export const EndTxnRequest = message(
  'EndTxnRequest',
  { kind: 'request', apiKey: 26, versions: '0-5', flexible: '3+', listeners: ['broker'] },
  {
    transactionalId: f('string', '0+', { entityType: 'transactionalId' }),
    producerId: f('int64', '0+', { entityType: 'producerId' }),
    producerEpoch: f('int16', '0+'),
    committed: f('bool', '0+'),
  },
);
export type EndTxnRequest = Infer<typeof EndTxnRequest>;

export const EndTxnResponse = message(
  'EndTxnResponse',
  { kind: 'response', apiKey: 26, versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    producerId: f('int64', '5+', { default: -1, ignorable: true, entityType: 'producerId' }),
    producerEpoch: f('int16', '5+', { default: -1, ignorable: true }),
  },
);
export type EndTxnResponse = Infer<typeof EndTxnResponse>;
