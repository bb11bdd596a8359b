import { f, message, type Infer } from '../schema.ts';

export const AllocateProducerIdsRequest = message(
  'AllocateProducerIdsRequest',
  { kind: 'request', apiKey: 67, versions: '0', flexible: '0+', listeners: ['controller'] },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+', { default: -1 }),
  },
);
export type AllocateProducerIdsRequest = Infer<typeof AllocateProducerIdsRequest>;

export const AllocateProducerIdsResponse = message(
  'AllocateProducerIdsResponse',
  { kind: 'response', apiKey: 67, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    producerIdStart: f('int64', '0+', { entityType: 'producerId' }),
    producerIdLen: f('int32', '0+'),
  },
);
export type AllocateProducerIdsResponse = Infer<typeof AllocateProducerIdsResponse>;
