import { Errors } from '../../../src/protocol/errors.ts';
import {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../../../src/protocol/messages/57-update-features.ts';
import type { History } from '../checkers/history.ts';
import { type ClusterClient, NO_BROKER } from './cluster-client.ts';
import { Unanswered } from './protocol-connection.ts';
import { SimWorker, type WorkerSettings } from './sim-worker.ts';

export interface FeatureAdminSettings extends WorkerSettings {
  readonly feature: string;
  /** Those between which it moves, ascending. */
  readonly levels: readonly number[];
}

const UPDATE_FEATURES = { request: UpdateFeaturesRequest, response: UpdateFeaturesResponse };
const UPGRADE = 1;
const SAFE_DOWNGRADE = 2;
const TIMEOUT_MS = 2_000;

/** Moves a feature up and down while others work. */
export class SimFeatureAdmin extends SimWorker<FeatureAdminSettings> {
  private readonly sometimes: (state: string) => void;

  /** `sometimes` hears of states that are worth reaching. */
  constructor(
    cluster: ClusterClient,
    settings: FeatureAdminSettings,
    history: History,
    sometimes: (state: string) => void,
  ) {
    super(cluster, settings, history);
    this.sometimes = sometimes;
  }

  protected override async work(): Promise<void> {
    const { cluster, settings, history, name } = this;
    const { feature, levels } = settings;
    const maxVersionLevel = cluster.random.pick(levels);
    // It does not know the present level: what is no upgrade then, or no downgrade, is refused.
    const upgradeType = cluster.random.pick([UPGRADE, SAFE_DOWNGRADE]);
    const featureUpdates = [{ feature, maxVersionLevel, upgradeType }];
    try {
      const { errorCode } = await cluster.ask(NO_BROKER, UPDATE_FEATURES, () => ({
        timeoutMs: TIMEOUT_MS,
        featureUpdates,
      }));
      if (errorCode !== Errors.NONE) return;
      history.record(name, { kind: 'note', text: `${feature} is ${maxVersionLevel}` });
      this.sometimes(`${feature} was moved to ${maxVersionLevel}`);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
    }
  }
}
