import { Errors } from '../../protocol/errors.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../protocol/messages/20-delete-topics.ts';
import { defineControllerHandler } from '../handler.ts';

const FIRST_STRICT_VERSION = 5;

/**
 * DeleteTopics, v0 to v6. v1 the throttle time; v3 TOPIC_DELETION_DISABLED, which was INVALID_REQUEST before; v5 the
 * error message, and THROTTLING_QUOTA_EXCEEDED (KIP-599); v6 topics by id.
 */
export const deleteTopics = defineControllerHandler({
  request: DeleteTopicsRequest,
  response: DeleteTopicsResponse,
  authorize: ['Delete Topic', 'Describe Topic'],
  async handle(context, request, { controller, quotas }) {
    const { apiVersion } = context;
    const quota = quotas.mutationQuota(context, FIRST_STRICT_VERSION);
    const responses = await controller.deleteTopics(request, partitions => quota.apply(partitions));
    return {
      throttleTimeMs: quota.throttleTimeMs,
      responses: responses.map(result => ({
        ...result,
        // Before ids, a topic without a name could not be asked for.
        name: apiVersion < 6 ? (result.name ?? '') : result.name,
        errorCode:
          apiVersion < 3 && result.errorCode === Errors.TOPIC_DELETION_DISABLED
            ? Errors.INVALID_REQUEST
            : result.errorCode,
      })),
    };
  },
  failure(request, errorCode, errorMessage) {
    const named = request.topicNames.map(name => ({ name, errorCode, errorMessage }));
    const others = request.topics.map(({ name, topicId }) => ({ name, topicId, errorCode, errorMessage }));
    return { responses: [...named, ...others] };
  },
});
