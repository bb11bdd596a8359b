import { describe, expect, it } from 'vitest';
import { metadataRecord } from '../../../src/metadata/metadata-record.ts';
import {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../../src/protocol/messages/50-describe-user-scram-credentials.ts';
import { describeUserScramCredentials } from '../../../src/server/handlers/50-describe-user-scram-credentials.ts';
import { ask, imageOf } from './handler-harness.ts';

const secret = Buffer.from('secret');
const credential = (name: string, mechanism: number) =>
  metadataRecord('UserScramCredentialRecord', {
    name,
    mechanism,
    salt: secret,
    storedKey: secret,
    serverKey: secret,
    iterations: 4096 * mechanism,
  });
const image = imageOf(credential('a', 1), credential('a', 2), credential('__proto__', 2));

async function results(names: string[] | null) {
  const users = names?.map(name => ({ name })) ?? null;
  const messages = [DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse] as const;
  const answer = await ask(describeUserScramCredentials, { metadata: () => image }, messages, 0, { users });
  expect(answer!.errorCode).toBe(0);
  return answer!.results.map(({ user, errorCode, credentialInfos }) => [
    user,
    errorCode,
    credentialInfos.map(({ mechanism, iterations }) => `${mechanism}:${iterations}`).sort(),
  ]);
}

describe('DescribeUserScramCredentials', () => {
  it('names mechanism and iterations of those asked for', async () => {
    expect(await results(['a', 'b', '__proto__'])).toEqual([
      ['a', 0, ['1:4096', '2:8192']],
      ['b', 91, []],
      ['__proto__', 0, ['2:8192']],
    ]);
  });

  it.each([[null], [[]]])('names everybody where %j is asked for', async names => {
    const users = (await results(names)).map(([user]) => user);
    expect(users.sort()).toEqual(['__proto__', 'a']);
  });

  it('refuses a user that is asked for twice', async () => {
    expect(await results(['a', 'b', 'a'])).toEqual([
      ['a', 92, []],
      ['b', 91, []],
    ]);
  });
});
