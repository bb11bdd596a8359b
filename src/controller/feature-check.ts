import type { FeaturesImage } from '../metadata/features-image.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';

interface SupportedFeature {
  readonly name: string;
  readonly minSupportedVersion: number;
  readonly maxSupportedVersion: number;
}

/** Throws UNSUPPORTED_VERSION if a node that supports only `supported` cannot live with the levels of the cluster. */
export function checkFeatures(
  image: FeaturesImage,
  supported: readonly SupportedFeature[],
  node: string,
): void {
  const ranges = new Map(supported.map(feature => [feature.name, feature]));
  for (const [name, level] of image.finalizedVersions) {
    const range = ranges.get(name);
    if (range !== undefined && level >= range.minSupportedVersion && level <= range.maxSupportedVersion)
      continue;
    const known =
      range === undefined ? 'none of it' : `${range.minSupportedVersion} to ${range.maxSupportedVersion}`;
    const text = `${node} cannot join: the cluster has ${name} at level ${level}, the node supports ${known}`;
    throw new KafkaError(Errors.UNSUPPORTED_VERSION, text);
  }
}
