import { f, message, type Infer } from '../schema.ts';

export const AddOffsetsToTxnRequest = message(
  'AddOffsetsToTxnRequest',
  { kind: 'request', apiKey: 25, versions: '0-4', flexible: '3+', listeners: ['broker'] },
  {
    transactionalId: f('string', '0+', { entityType: 'transactionalId' }),
    producerId: f('int64', '0+', { entityType: 'producerId' }),
    producerEpoch: f('int16', '0+'),
    groupId: f('string', '0+', { entityType: 'groupId' }),
  },
);
export type AddOffsetsToTxnRequest = Infer<typeof AddOffsetsToTxnRequest>;

export const AddOffsetsToTxnResponse = message(
  'AddOffsetsToTxnResponse',
  { kind: 'response', apiKey: 25, versions: '0-4', flexible: '3+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
  },
);
export type AddOffsetsToTxnResponse = Infer<typeof AddOffsetsToTxnResponse>;
