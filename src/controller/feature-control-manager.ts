import type { BrokerRegistration, ControllerRegistration } from '../metadata/broker-registration.ts';
import { ConfigResourceType } from '../metadata/config-resource.ts';
import { FeatureName, requiredMetadataVersion, SUPPORTED_FEATURES } from '../metadata/features.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import {
  METADATA_VERSIONS,
  metadataVersionOf,
  metadataVersionSupports,
} from '../metadata/metadata-version.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../protocol/messages/57-update-features.ts';
import { atomicResult, type ControllerResult } from './controller-result.ts';

const UpgradeType = { UPGRADE: 1, SAFE_DOWNGRADE: 2, UNSAFE_DOWNGRADE: 3 } as const;

/** The level of `kraft.version`, which is a matter of the quorum's own log and not of its records. */
export interface KRaftVersionAccessor {
  finalized(): number;
  /** Throws `KafkaError` if the quorum cannot go to `level`. With `validateOnly` it does not go. */
  upgrade(level: number, validateOnly: boolean): void;
}

export interface FeatureControlOptions {
  readonly nodeId: number;
  /** `min.insync.replicas` as it is in the file of this node. */
  readonly minInsyncReplicas: number;
  readonly kraftVersion: KRaftVersionAccessor | undefined;
  /** The voters of the quorum. */
  readonly voterIds: () => readonly number[];
}

type FeatureUpdate = UpdateFeaturesRequest['featureUpdates'][number];
type FeatureResults = Pick<UpdateFeaturesResponse, 'errorCode' | 'errorMessage' | 'results'>;

/** The levels that the cluster agrees on. */
export class FeatureControlManager {
  private readonly options: FeatureControlOptions;

  constructor(options: FeatureControlOptions) {
    this.options = options;
  }

  /**
   * Changes all levels that the request names, or none. INVALID_UPDATE_VERSION for a level that some registered node
   * does not support, that goes down without leave or up with it, that another feature's level forbids, or from which
   * metadata would be lost; INVALID_REQUEST for a feature that is in the request twice. Before version 2 of the API the
   * code is that of each feature as well.
   */
  updateFeatures(
    image: MetadataImage,
    request: UpdateFeaturesRequest,
    apiVersion: number,
  ): ControllerResult<FeatureResults> {
    const { featureUpdates, validateOnly } = request;
    const perFeature = (errorCode: number, errorMessage: string | null): UpdateFeaturesResponse['results'] =>
      apiVersion > 1 ? [] : featureUpdates.map(({ feature }) => ({ feature, errorCode, errorMessage }));
    let failing = '';
    try {
      const proposed = new Map(image.features.finalizedVersions);
      for (const { feature, maxVersionLevel } of featureUpdates) proposed.set(feature, maxVersionLevel);
      if (new Set(featureUpdates.map(each => each.feature)).size < featureUpdates.length) {
        throw new KafkaError(Errors.INVALID_REQUEST, 'a feature may be in a request only once');
      }
      for (const update of featureUpdates) {
        failing = update.feature;
        this.check(image, update, upgradeTypeOf(update, apiVersion), proposed);
      }
      checkDependencies(proposed);
      const records = featureUpdates.flatMap(update => this.records(image, update));
      const kraft = featureUpdates.find(update => update.feature === FeatureName.KRAFT_VERSION);
      if (kraft !== undefined) this.options.kraftVersion?.upgrade(kraft.maxVersionLevel, validateOnly);
      const response = { errorCode: Errors.NONE, errorMessage: null, results: perFeature(Errors.NONE, null) };
      return atomicResult(validateOnly ? [] : records, response);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      const { code, message } = error;
      const text = `no feature was changed, because of '${failing}': ${message}`;
      return atomicResult([], { errorCode: code, errorMessage: text, results: perFeature(code, message) });
    }
  }

  private check(
    image: MetadataImage,
    { feature, maxVersionLevel: level }: FeatureUpdate,
    upgradeType: number,
    proposed: ReadonlyMap<string, number>,
  ): void {
    if (upgradeType < UpgradeType.UPGRADE || upgradeType > UpgradeType.UNSAFE_DOWNGRADE) {
      throw invalid(`there is no upgrade type ${upgradeType}`);
    }
    if (level < 0) throw invalid('a level cannot be below 0');
    this.checkSupported(image, feature, level);
    const isKRaft = feature === FeatureName.KRAFT_VERSION;
    if (isKRaft && this.options.kraftVersion === undefined) {
      throw invalid('this quorum cannot change its kraft.version');
    }
    const present = isKRaft ? this.options.kraftVersion!.finalized() : presentLevel(image, feature);
    if (level < present && upgradeType === UpgradeType.UPGRADE) {
      throw invalid(`level ${level} is below the present ${present}: ask for a downgrade if you mean it`);
    }
    if (level > present && upgradeType !== UpgradeType.UPGRADE) {
      throw invalid(`level ${level} is above the present ${present}: that is no downgrade`);
    }
    if (feature === FeatureName.METADATA_VERSION) checkMetadataVersion(present, level);
    const required = requiredMetadataVersion(feature, level);
    const metadataVersion = proposed.get(FeatureName.METADATA_VERSION) ?? image.features.metadataVersion;
    if (metadataVersion < required) {
      throw invalid(`level ${level} needs metadata.version ${required}, but it would be ${metadataVersion}`);
    }
  }

  /** Every registered node must be able to live with the level, and every voter be registered. */
  private checkSupported(image: MetadataImage, feature: string, level: number): void {
    const check = (node: string, range: { readonly min: number; readonly max: number } | undefined): void => {
      const { min, max } = range ?? { min: 0, max: 0 };
      // Level 0 means that a feature is not in use, which nobody need support.
      if ((level === 0 && range === undefined) || (level >= min && level <= max)) return;
      const text =
        range === undefined || max === 0 ? `${node} does not know it` : `${node} supports ${min} to ${max}`;
      throw invalid(`level ${level} is not possible: ${text}`);
    };
    const { nodeId, voterIds } = this.options;
    const local = SUPPORTED_FEATURES.get(feature);
    if (local === undefined) throw invalid('there is no such feature');
    check('this controller', local);
    const ranges = (node: BrokerRegistration | ControllerRegistration) => node.supportedFeatures.get(feature);
    for (const broker of image.cluster.brokers.values()) check(`broker ${broker.id}`, ranges(broker));
    if (!metadataVersionSupports.controllerRegistration(image.features.metadataVersion)) return;
    for (const controller of image.cluster.controllers.values()) {
      if (controller.id !== nodeId) check(`controller ${controller.id}`, ranges(controller));
    }
    for (const id of voterIds()) {
      if (id === nodeId || image.cluster.controllers.get(id) !== undefined) continue;
      throw invalid(
        `controller ${id} has not registered, so nobody knows whether it supports level ${level}`,
      );
    }
  }

  private records(
    image: MetadataImage,
    { feature, maxVersionLevel: level }: FeatureUpdate,
  ): MetadataRecord[] {
    if (feature === FeatureName.KRAFT_VERSION) return [];
    const records: MetadataRecord[] = [
      metadataRecord('FeatureLevelRecord', { name: feature, featureLevel: level }),
    ];
    if (feature !== FeatureName.ELIGIBLE_LEADER_REPLICAS_VERSION) return records;
    if (level > 0) return [...records, ...this.minInsyncReplicasRecords(image)];
    // What is eligible now would not be kept up to date, and would mislead should the feature be used again.
    return [metadataRecord('ClearElrRecord', { topicName: '' }), ...records];
  }

  /** With eligible leader replicas all controllers must agree on `min.insync.replicas`: one value for the cluster. */
  private minInsyncReplicasRecords(image: MetadataImage): MetadataRecord[] {
    const name = 'min.insync.replicas';
    const set = (resourceName: string, value: string | null): MetadataRecord =>
      metadataRecord('ConfigRecord', {
        resourceType: ConfigResourceType.BROKER,
        resourceName,
        name,
        value,
      });
    const records: MetadataRecord[] = [];
    if (!image.configs.defaultBroker().has(name)) {
      records.push(set('', String(this.options.minInsyncReplicas)));
    }
    for (const { resource, values } of image.configs.ofType(ConfigResourceType.BROKER)) {
      if (resource.name !== '' && values.has(name)) records.push(set(resource.name, null));
    }
    return records;
  }
}

function presentLevel(image: MetadataImage, feature: string): number {
  return feature === FeatureName.METADATA_VERSION
    ? image.features.metadataVersion
    : image.features.level(feature);
}

function upgradeTypeOf(update: FeatureUpdate, apiVersion: number): number {
  if (apiVersion > 0) return update.upgradeType;
  return update.allowDowngrade ? UpgradeType.SAFE_DOWNGRADE : UpgradeType.UPGRADE;
}

/** A downgrade may not pass a level whose records the one below cannot say. */
function checkMetadataVersion(present: number, level: number): void {
  if (metadataVersionOf(level) === undefined) throw invalid(`there is no metadata.version ${level}`);
  const lossy = METADATA_VERSIONS.findLast(
    version => version.level > level && version.level <= present && version.didMetadataChange,
  );
  if (level < present && lossy !== undefined) {
    throw invalid(`metadata that came with level ${lossy.level} (${lossy.name}) would be lost`);
  }
}

/** What stays must also stay possible, when metadata.version goes down. */
function checkDependencies(proposed: ReadonlyMap<string, number>): void {
  const metadataVersion = proposed.get(FeatureName.METADATA_VERSION);
  if (metadataVersion === undefined) return;
  for (const [feature, level] of proposed) {
    const required = requiredMetadataVersion(feature, level);
    if (metadataVersion >= required) continue;
    throw invalid(
      `${feature} is at level ${level}, which needs metadata.version ${required}: lower it first`,
    );
  }
}

function invalid(text: string): KafkaError {
  return new KafkaError(Errors.INVALID_UPDATE_VERSION, text);
}
