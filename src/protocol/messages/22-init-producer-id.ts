import { f, message, type Infer } from '../schema.ts';

export const InitProducerIdRequest = message(
  'InitProducerIdRequest',
  {
    kind: 'request',
    apiKey: 22,
    versions: '0-6',
    flexible: '2+',
    listeners: ['broker'],
    latestVersionUnstable: true,
  },
  {
    transactionalId: f('string', '0+', { nullable: '0+', entityType: 'transactionalId' }),
    transactionTimeoutMs: f('int32', '0+'),
    producerId: f('int64', '3+', { default: -1, entityType: 'producerId' }),
    producerEpoch: f('int16', '3+', { default: -1 }),
    enable2Pc: f('bool', '6+'),
    keepPreparedTxn: f('bool', '6+'),
  },
);
export type InitProducerIdRequest = Infer<typeof InitProducerIdRequest>;

export const InitProducerIdResponse = message(
  'InitProducerIdResponse',
  { kind: 'response', apiKey: 22, versions: '0-6', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+', { ignorable: true }),
    errorCode: f('int16', '0+'),
    producerId: f('int64', '0+', { default: -1, entityType: 'producerId' }),
    producerEpoch: f('int16', '0+'),
    ongoingTxnProducerId: f('int64', '6+', { default: -1, entityType: 'producerId' }),
    ongoingTxnProducerEpoch: f('int16', '6+', { default: -1 }),
  },
);
export type InitProducerIdResponse = Infer<typeof InitProducerIdResponse>;
