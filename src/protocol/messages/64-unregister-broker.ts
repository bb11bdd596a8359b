import { f, message, type Infer } from '../schema.ts';

export const UnregisterBrokerRequest = message(
  'UnregisterBrokerRequest',
  { kind: 'request', apiKey: 64, versions: '0', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
  },
);
export type UnregisterBrokerRequest = Infer<typeof UnregisterBrokerRequest>;

export const UnregisterBrokerResponse = message(
  'UnregisterBrokerResponse',
  { kind: 'response', apiKey: 64, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
  },
);
export type UnregisterBrokerResponse = Infer<typeof UnregisterBrokerResponse>;
