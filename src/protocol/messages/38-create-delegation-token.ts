import { array, f, message, struct, type Infer } from '../schema.ts';

export const CreateDelegationTokenRequest = message(
  'CreateDelegationTokenRequest',
  { kind: 'request', apiKey: 38, versions: '0-3', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    ownerPrincipalType: f('string', '3+', { nullable: '3+' }),
    ownerPrincipalName: f('string', '3+', { nullable: '3+' }),
    renewers: f(
      array(
        struct('CreatableRenewers', {
          principalType: f('string', '0+'),
          principalName: f('string', '0+'),
        }),
      ),
      '0+',
    ),
    maxLifetimeMs: f('int64', '0+'),
  },
);
export type CreateDelegationTokenRequest = Infer<typeof CreateDelegationTokenRequest>;

export const CreateDelegationTokenResponse = message(
  'CreateDelegationTokenResponse',
  { kind: 'response', apiKey: 38, versions: '0-3', flexible: '2+' },
  {
    errorCode: f('int16', '0+'),
    principalType: f('string', '0+'),
    principalName: f('string', '0+'),
    tokenRequesterPrincipalType: f('string', '3+'),
    tokenRequesterPrincipalName: f('string', '3+'),
    issueTimestampMs: f('int64', '0+'),
    expiryTimestampMs: f('int64', '0+'),
    maxTimestampMs: f('int64', '0+'),
    tokenId: f('string', '0+'),
    hmac: f('bytes', '0+'),
    throttleTimeMs: f('int32', '0+'),
  },
);
export type CreateDelegationTokenResponse = Infer<typeof CreateDelegationTokenResponse>;
