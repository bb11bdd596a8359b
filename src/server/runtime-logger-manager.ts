import type { Logger } from '../base/logger.ts';
import {
  LOGGER_LEVELS,
  type LoggerLevel,
  type LoggingController,
  ROOT_LOGGER,
} from '../base/logging-controller.ts';
import { type DescribedConfig, ConfigSourceCode } from '../controller/config-describer.ts';
import { ConfigOperation } from '../controller/configuration-control-manager.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { IncrementalAlterConfigsRequest } from '../protocol/messages/44-incremental-alter-configs.ts';

type AlteredResource = IncrementalAlterConfigsRequest['resources'][number];

/**
 * The loggers of this node as clients see and change them: the resource BROKER_LOGGER (KIP-412), whose name is the id
 * of the node, whose keys are the names of loggers, and whose values are levels. Nothing of it is metadata: each node
 * answers for itself, and forgets what was set when it stops.
 */
export class RuntimeLoggerManager {
  private readonly nodeId: number;
  private readonly logging: LoggingController;
  private readonly logger: Logger;

  constructor(nodeId: number, logging: LoggingController) {
    this.nodeId = nodeId;
    this.logging = logging;
    this.logger = logging.root;
  }

  /** All loggers. Throws INVALID_REQUEST where `resourceName` is not this node. */
  describe(resourceName: string): DescribedConfig[] {
    this.checkNodeId(resourceName);
    return Array.from(this.logging.all(), ([name, value]) => ({
      name,
      value,
      source: ConfigSourceCode.DYNAMIC_BROKER_LOGGER_CONFIG,
      readOnly: false,
      isSensitive: false,
      type: 0,
      documentation: '',
      synonyms: [],
    }));
  }

  /**
   * Does what a resource of IncrementalAlterConfigs asks for, all of it or nothing. Throws INVALID_CONFIG for a logger
   * that does not exist and for a value that is no level, INVALID_REQUEST for what cannot be asked for at all.
   */
  alter({ resourceName, configs }: AlteredResource, validateOnly: boolean): void {
    checkAlterations(configs);
    this.checkNodeId(resourceName);
    for (const { name, configOperation, value } of configs) this.checkLevel(name, configOperation, value);
    if (validateOnly) return;
    for (const { name, configOperation, value } of configs) {
      const from = this.logging.effectiveLevel(name);
      if (configOperation === ConfigOperation.SET) this.logging.setLevel(name, value as LoggerLevel);
      else this.logging.unsetLevel(name);
      const to = this.logging.effectiveLevel(name);
      this.logger.warn('a logger has another level now', { name, from, to });
    }
  }

  private checkNodeId(resourceName: string): void {
    // What Integer.parseInt takes: Apache Kafka finds itself under 01 and +1 too.
    if (!/^[+-]?\d{1,10}$/.test(resourceName)) {
      throw invalidRequest(`the loggers of a node go by its id, and '${resourceName}' is none`);
    }
    if (Number(resourceName) !== this.nodeId) {
      throw invalidRequest(
        `this is node ${this.nodeId}: it has its own loggers, not those of ${resourceName}`,
      );
    }
  }

  private checkLevel(name: string, operation: number, value: string | null): void {
    if (operation === ConfigOperation.APPEND || operation === ConfigOperation.SUBTRACT) {
      throw invalidRequest('a level is no list: set it or delete it');
    }
    if (operation !== ConfigOperation.SET && operation !== ConfigOperation.DELETE) {
      throw invalidRequest(`there is no configuration operation ${operation}`);
    }
    if (!this.logging.exists(name)) {
      throw new KafkaError(Errors.INVALID_CONFIG, `there is no logger '${name}'`);
    }
    if (operation === ConfigOperation.DELETE) {
      if (name === ROOT_LOGGER) throw invalidRequest('the root logger always has a level: set another one');
      return;
    }
    if (!LOGGER_LEVELS.some(level => level === value)) {
      throw new KafkaError(
        Errors.INVALID_CONFIG,
        `${name} cannot have the level '${value}': the levels are ${LOGGER_LEVELS.join(', ')}`,
      );
    }
  }
}

/** Throws INVALID_REQUEST for a key that comes twice, and for null where a value must be. */
function checkAlterations(configs: AlteredResource['configs']): void {
  const seen = new Set<string>();
  for (const { name } of configs) {
    if (seen.has(name)) throw invalidRequest(`${name} is in the request twice`);
    seen.add(name);
  }
  for (const { name, configOperation, value } of configs) {
    if (value === null && configOperation !== ConfigOperation.DELETE) {
      throw invalidRequest(`${name} cannot be set to null: delete it instead`);
    }
  }
}

function invalidRequest(text: string): KafkaError {
  return new KafkaError(Errors.INVALID_REQUEST, text);
}
