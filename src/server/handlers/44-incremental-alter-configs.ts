import type { ResourceResult } from '../../controller/configuration-control-manager.ts';
import { configResourceKey, ConfigResourceType } from '../../metadata/config-resource.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import type { BrokerServices } from '../broker-services.ts';
import { failedResources } from '../failed-resources.ts';
import { defineControllerHandler, forwarded, type Handler } from '../handler.ts';
import type { NodeServices } from '../node-services.ts';

/**
 * IncrementalAlterConfigs, 0 and 1 (flexible): sets, deletes, appends to and subtracts from single keys. Loggers are
 * those of the node that gets the request; the rest is metadata, which the active controller alone changes.
 */
export const incrementalAlterConfigs = defineControllerHandler({
  request: IncrementalAlterConfigsRequest,
  response: IncrementalAlterConfigsResponse,
  authorize: ['AlterConfigs Cluster', 'AlterConfigs Topic', 'AlterConfigs Group'],
  async handle(_context, request, services) {
    const { controller } = services;
    return {
      responses: await alterLoggersFirst(services, request, rest => controller.incrementalAlterConfigs(rest)),
    };
  },
  failure: ({ resources }, errorCode, errorMessage) => ({
    responses: failedResources(resources, errorCode, errorMessage),
  }),
});

/** On brokers: changes its loggers, and passes the rest of the request on to the active controller. */
export const incrementalAlterConfigsOfBroker: Handler<BrokerServices> = {
  ...forwarded(incrementalAlterConfigs),
  async handle(context, body, broker) {
    const request = body as IncrementalAlterConfigsRequest;
    if (!request.resources.some(isLogger)) {
      return broker.forwarding.forward(context, request, incrementalAlterConfigs);
    }
    const responses = await alterLoggersFirst(broker, request, async rest => {
      try {
        const answer = await broker.forwarding.forwardPart(context, rest, incrementalAlterConfigs);
        return (answer as IncrementalAlterConfigsResponse).responses;
      } catch (error) {
        // What became of the loggers is told in any case.
        if (!(error instanceof KafkaError)) throw error;
        return failedResources(rest.resources, error.code, error.message);
      }
    });
    return { responses };
  },
};

interface ConfigResourceName {
  readonly resourceType: number;
  readonly resourceName: string;
}

const isLogger = ({ resourceType }: ConfigResourceName): boolean =>
  resourceType === ConfigResourceType.BROKER_LOGGER;

const keyOf = ({ resourceType, resourceName }: ConfigResourceName): string =>
  configResourceKey(resourceType, resourceName);

/**
 * Changes the loggers that `request` names, has `alterRest` do the rest, and gives the answers in the order of the
 * request. Each resource succeeds or fails by itself. Rejects as `alterRest` does.
 */
async function alterLoggersFirst(
  { loggers }: NodeServices,
  request: IncrementalAlterConfigsRequest,
  alterRest: (rest: IncrementalAlterConfigsRequest) => Promise<readonly ResourceResult[]>,
): Promise<readonly ResourceResult[]> {
  const altered = request.resources.filter(isLogger);
  if (altered.length === 0) return alterRest(request);
  const counts = new Map<string, number>();
  for (const { resourceName } of altered) counts.set(resourceName, (counts.get(resourceName) ?? 0) + 1);
  const results = new Map<string, ResourceResult>();
  for (const resource of altered) {
    const { resourceType, resourceName } = resource;
    let [errorCode, errorMessage]: [number, string | null] = [Errors.NONE, null];
    try {
      if (counts.get(resourceName) !== 1) {
        throw new KafkaError(Errors.INVALID_REQUEST, 'a resource may be in a request only once');
      }
      loggers.alter(resource, request.validateOnly);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      errorCode = error.code;
      errorMessage = error.message;
    }
    results.set(keyOf(resource), { resourceType, resourceName, errorCode, errorMessage });
  }
  const rest = request.resources.filter(resource => !isLogger(resource));
  if (rest.length > 0) {
    // Apache Kafka's controller answers in an order of its own.
    for (const result of await alterRest({ ...request, resources: rest })) results.set(keyOf(result), result);
  }
  return request.resources.map(
    resource =>
      results.get(keyOf(resource)) ??
      failedResources([resource], Errors.UNKNOWN_SERVER_ERROR, 'the controller did not answer for it')[0]!,
  );
}
