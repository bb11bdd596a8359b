import { Errors, KafkaError } from '../../protocol/errors.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../protocol/messages/18-api-versions.ts';
import { FeatureName, SUPPORTED_FEATURES } from '../../metadata/features.ts';
import { defineNodeHandler } from '../handler.ts';

/** What a client may call itself (KIP-511). */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/**
 * ApiVersions, 0 to 5. v1 the throttle time; v3 the client's software name and the cluster's features; v4 features
 * whose lowest level is 0 (older clients cannot read those); v5 the cluster and node that the client means to reach.
 * A newer version is answered by the router before any handler.
 */
export const apiVersions = defineNodeHandler({
  request: ApiVersionsRequest,
  response: ApiVersionsResponse,
  authorize: [],
  handle({ apiVersion }, request, node) {
    if (apiVersion >= 3) {
      const { clientSoftwareName, clientSoftwareVersion } = request;
      if (!SOFTWARE_NAME.test(clientSoftwareName) || !SOFTWARE_NAME.test(clientSoftwareVersion)) {
        throw new KafkaError(
          Errors.INVALID_REQUEST,
          'the name or version of the client software is not well formed',
        );
      }
    }
    const wrongCluster = request.clusterId !== null && request.clusterId !== node.clusterId;
    const wrongNode = request.nodeId !== -1 && request.nodeId !== node.nodeId;
    if (wrongCluster || wrongNode) {
      throw new KafkaError(
        Errors.REBOOTSTRAP_REQUIRED,
        'this is not the node that the client means to reach',
      );
    }

    const apiKeys = [];
    for (const { apiKey, minVersion, maxVersion } of node.apis.all()) {
      apiKeys.push({ apiKey, minVersion, maxVersion });
    }
    const supportedFeatures = [];
    for (const [name, { min, max }] of SUPPORTED_FEATURES) {
      if (apiVersion >= 4 || min > 0) supportedFeatures.push({ name, minVersion: min, maxVersion: max });
    }
    const { features, highestOffset } = node.metadata();
    const finalizedFeatures = [];
    for (const [name, level] of features.finalizedVersions.entries()) {
      finalizedFeatures.push({ name, minVersionLevel: level, maxVersionLevel: level });
    }
    const kraftLevel = node.kraftVersion();
    if (kraftLevel > 0) {
      finalizedFeatures.push({
        name: FeatureName.KRAFT_VERSION,
        minVersionLevel: kraftLevel,
        maxVersionLevel: kraftLevel,
      });
    }
    return { apiKeys, supportedFeatures, finalizedFeatures, finalizedFeaturesEpoch: highestOffset };
  },
});
