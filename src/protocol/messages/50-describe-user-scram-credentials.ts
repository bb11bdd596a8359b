import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeUserScramCredentialsRequest = message(
  'DescribeUserScramCredentialsRequest',
  { kind: 'request', apiKey: 50, versions: '0', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    users: f(
      array(
        struct('UserName', {
          name: f('string', '0+'),
        }),
      ),
      '0+',
      { nullable: '0+' },
    ),
  },
);
export type DescribeUserScramCredentialsRequest = Infer<typeof DescribeUserScramCredentialsRequest>;

export const DescribeUserScramCredentialsResponse = message(
  'DescribeUserScramCredentialsResponse',
  { kind: 'response', apiKey: 50, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
    results: f(
      array(
        struct('DescribeUserScramCredentialsResult', {
          user: f('string', '0+'),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
          credentialInfos: f(
            array(
              struct('CredentialInfo', {
                mechanism: f('int8', '0+'),
                iterations: f('int32', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeUserScramCredentialsResponse = Infer<typeof DescribeUserScramCredentialsResponse>;
