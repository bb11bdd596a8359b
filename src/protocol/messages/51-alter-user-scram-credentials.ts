import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterUserScramCredentialsRequest = message(
  'AlterUserScramCredentialsRequest',
  { kind: 'request', apiKey: 51, versions: '0', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    deletions: f(
      array(
        struct('ScramCredentialDeletion', {
          name: f('string', '0+'),
          mechanism: f('int8', '0+'),
        }),
      ),
      '0+',
    ),
    upsertions: f(
      array(
        struct('ScramCredentialUpsertion', {
          name: f('string', '0+'),
          mechanism: f('int8', '0+'),
          iterations: f('int32', '0+'),
          salt: f('bytes', '0+'),
          saltedPassword: f('bytes', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type AlterUserScramCredentialsRequest = Infer<typeof AlterUserScramCredentialsRequest>;

export const AlterUserScramCredentialsResponse = message(
  'AlterUserScramCredentialsResponse',
  { kind: 'response', apiKey: 51, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    results: f(
      array(
        struct('AlterUserScramCredentialsResult', {
          user: f('string', '0+'),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
        }),
      ),
      '0+',
    ),
  },
);
export type AlterUserScramCredentialsResponse = Infer<typeof AlterUserScramCredentialsResponse>;
