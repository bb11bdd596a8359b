import { f, message, type Infer } from '../schema.ts';

export const ExpireDelegationTokenRequest = message(
  'ExpireDelegationTokenRequest',
  { kind: 'request', apiKey: 40, versions: '0-2', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    hmac: f('bytes', '0+'),
    expiryTimePeriodMs: f('int64', '0+'),
  },
);
export type ExpireDelegationTokenRequest = Infer<typeof ExpireDelegationTokenRequest>;

export const ExpireDelegationTokenResponse = message(
  'ExpireDelegationTokenResponse',
  { kind: 'response', apiKey: 40, versions: '0-2', flexible: '2+' },
  {
    errorCode: f('int16', '0+'),
    expiryTimestampMs: f('int64', '0+'),
    throttleTimeMs: f('int32', '0+'),
  },
);
export type ExpireDelegationTokenResponse = Infer<typeof ExpireDelegationTokenResponse>;
