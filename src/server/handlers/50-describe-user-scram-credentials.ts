import { Errors } from '../../protocol/errors.ts';
import {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../protocol/messages/50-describe-user-scram-credentials.ts';
import { defineHandler } from '../handler.ts';

/**
 * DescribeUserScramCredentials, 0: with which mechanisms users may log in, never with what. kafka-configs asks it of
 * every user whose quotas it shows.
 */
export const describeUserScramCredentials = defineHandler({
  request: DescribeUserScramCredentialsRequest,
  response: DescribeUserScramCredentialsResponse,
  authorize: ['Describe Cluster'],
  handle(_context, { users }, broker) {
    const known = broker.metadata().scram.byUser();
    const asked = new Map<string, number>();
    for (const { name } of users ?? []) asked.set(name, (asked.get(name) ?? 0) + 1);
    // Nobody by name stands for everybody.
    const names = asked.size === 0 ? known.keys() : asked.keys();
    const results = Array.from(names, user => {
      const failed = (errorCode: number, errorMessage: string) => {
        return { user, errorCode, errorMessage, credentialInfos: [] };
      };
      if ((asked.get(user) ?? 0) > 1) {
        return failed(Errors.DUPLICATE_RESOURCE, `user '${user}' is in the request twice`);
      }
      const credentials = known.get(user);
      if (credentials === undefined) {
        return failed(Errors.RESOURCE_NOT_FOUND, `user '${user}' has no SCRAM credentials`);
      }
      const credentialInfos = credentials.map(({ mechanism, iterations }) => ({ mechanism, iterations }));
      return { user, errorCode: Errors.NONE, errorMessage: '', credentialInfos };
    });
    return { errorCode: Errors.NONE, errorMessage: '', results };
  },
});
