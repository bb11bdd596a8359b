import { LimitedLogger, type Logger } from '../../base/logger.ts';
import type { KafkaConfig } from '../../config/kafka-config.ts';
import { ClientQuotaKey, QuotaEntityType } from '../../config/quota-keys.ts';
import type { MetadataDelta } from '../../metadata/metadata-delta.ts';
import type { MetadataPublisher } from '../../metadata/metadata-publisher.ts';
import type { Clock } from '../../runtime/runtime.ts';
import { ConnectionRates, type ConnectionRateLimits } from './connection-rates.ts';
import { ClientQuotaManager, type QuotaClient, THROTTLE_MS_MAX } from './client-quota-manager.ts';
import { ControllerMutationQuota, MutationMeter } from './controller-mutation-quota.ts';
import type { QuotaUsage } from './quota-usage.ts';
import { RequestTimeQuota } from './request-time-quota.ts';

const LOG_PERIOD_MS = 10_000;

/** The quotas of the clients of a node. As a publisher they follow the metadata: a change needs no restart. */
export class QuotaManagers implements MetadataPublisher {
  readonly name = 'client-quotas';
  readonly produce: ClientQuotaManager;
  readonly fetch: ClientQuotaManager;
  readonly request: RequestTimeQuota;
  readonly connections: ConnectionRates;
  private readonly clock: Clock;
  private readonly controllerMutation: ClientQuotaManager;
  private readonly managers: ReadonlyMap<string, ClientQuotaManager>;

  constructor(clock: Clock, logger: Logger, config: KafkaConfig, connections: ConnectionRateLimits) {
    this.clock = clock;
    const limited = new LimitedLogger(logger.child('quotas'), () => clock.monotonicMs(), LOG_PERIOD_MS);
    const window = {
      samples: config.int('quota.window.num'),
      sampleMs: config.int('quota.window.size.seconds') * 1_000,
    };
    this.connections = new ConnectionRates(clock, limited, window, connections);
    const managerOf = (quota: ClientQuotaKey, throttleMaxMs: number): ClientQuotaManager =>
      new ClientQuotaManager(clock, limited, { quota, window, throttleMaxMs });
    this.produce = managerOf(ClientQuotaKey.PRODUCER_BYTE_RATE, THROTTLE_MS_MAX);
    this.fetch = managerOf(ClientQuotaKey.CONSUMER_BYTE_RATE, THROTTLE_MS_MAX);
    const requestTime = managerOf(ClientQuotaKey.REQUEST_PERCENTAGE, window.sampleMs);
    this.request = new RequestTimeQuota(clock, requestTime);
    const mutationWindow = {
      samples: config.int('controller.quota.window.num'),
      sampleMs: config.int('controller.quota.window.size.seconds') * 1_000,
    };
    this.controllerMutation = new ClientQuotaManager(clock, limited, {
      quota: ClientQuotaKey.CONTROLLER_MUTATION_RATE,
      window: mutationWindow,
      throttleMaxMs: THROTTLE_MS_MAX,
      meter: () => new MutationMeter(mutationWindow),
    });
    this.managers = new Map<string, ClientQuotaManager>([
      [ClientQuotaKey.PRODUCER_BYTE_RATE, this.produce],
      [ClientQuotaKey.CONSUMER_BYTE_RATE, this.fetch],
      [ClientQuotaKey.REQUEST_PERCENTAGE, requestTime],
      [ClientQuotaKey.CONTROLLER_MUTATION_RATE, this.controllerMutation],
    ]);
  }

  /** For one request of `client`: strict from the version on that knows THROTTLING_QUOTA_EXCEEDED. */
  mutationQuota(
    client: QuotaClient & { readonly apiVersion: number },
    strictSinceVersion: number,
  ): ControllerMutationQuota {
    const isStrict = client.apiVersion >= strictSinceVersion;
    return new ControllerMutationQuota(this.clock, this.controllerMutation, client, isStrict);
  }

  onMetadataUpdate({ clientQuotas }: MetadataDelta): void {
    if (clientQuotas === undefined) return;
    for (const { entity, changes } of clientQuotas.changes.values()) {
      const ip = entity.find(part => part.entityType === QuotaEntityType.IP);
      for (const [key, value] of changes) {
        if (ip === undefined) this.managers.get(key)?.update(entity, value);
        else if (key === ClientQuotaKey.CONNECTION_CREATION_RATE)
          this.connections.update(ip.entityName, value);
      }
    }
  }

  /** Everybody who has a limit and has used something of it lately, by quota. */
  *usages(): Iterable<QuotaUsage> {
    for (const manager of this.managers.values()) yield* manager.usages();
    yield* this.connections.usages();
  }

  /** Those who are held back now. */
  *throttled(): Iterable<QuotaUsage> {
    for (const usage of this.usages()) if (usage.throttledForMs > 0) yield usage;
  }
}
