import { f, message, type Infer } from '../schema.ts';

export const RenewDelegationTokenRequest = message(
  'RenewDelegationTokenRequest',
  { kind: 'request', apiKey: 39, versions: '0-2', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    hmac: f('bytes', '0+'),
    renewPeriodMs: f('int64', '0+'),
  },
);
export type RenewDelegationTokenRequest = Infer<typeof RenewDelegationTokenRequest>;

export const RenewDelegationTokenResponse = message(
  'RenewDelegationTokenResponse',
  { kind: 'response', apiKey: 39, versions: '0-2', flexible: '2+' },
  {
    errorCode: f('int16', '0+'),
    expiryTimestampMs: f('int64', '0+'),
    throttleTimeMs: f('int32', '0+'),
  },
);
export type RenewDelegationTokenResponse = Infer<typeof RenewDelegationTokenResponse>;
