import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeDelegationTokenRequest = message(
  'DescribeDelegationTokenRequest',
  { kind: 'request', apiKey: 41, versions: '0-3', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    owners: f(
      array(
        struct('DescribeDelegationTokenOwner', {
          principalType: f('string', '0+'),
          principalName: f('string', '0+'),
        }),
      ),
      '0+',
      { nullable: '0+' },
    ),
  },
);
export type DescribeDelegationTokenRequest = Infer<typeof DescribeDelegationTokenRequest>;

export const DescribeDelegationTokenResponse = message(
  'DescribeDelegationTokenResponse',
  { kind: 'response', apiKey: 41, versions: '0-3', flexible: '2+' },
  {
    errorCode: f('int16', '0+'),
    tokens: f(
      array(
        struct('DescribedDelegationToken', {
          principalType: f('string', '0+'),
          principalName: f('string', '0+'),
          tokenRequesterPrincipalType: f('string', '3+'),
          tokenRequesterPrincipalName: f('string', '3+'),
          issueTimestamp: f('int64', '0+'),
          expiryTimestamp: f('int64', '0+'),
          maxTimestamp: f('int64', '0+'),
          tokenId: f('string', '0+'),
          hmac: f('bytes', '0+'),
          renewers: f(
            array(
              struct('DescribedDelegationTokenRenewer', {
                principalType: f('string', '0+'),
                principalName: f('string', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    throttleTimeMs: f('int32', '0+'),
  },
);
export type DescribeDelegationTokenResponse = Infer<typeof DescribeDelegationTokenResponse>;
