import { INT_MAX } from '../config/key-definition.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { descriptorLimit } from './descriptor-limit.ts';
import type { ConnectionRateLimits } from './quotas/connection-rates.ts';
import type { SocketServerOptions } from './socket-server.ts';

/** Open files of the log manager (512) and of the metadata log, listeners, pipes, and room for what comes and goes. */
const RESERVED_DESCRIPTORS = 640;
const MIN_CONNECTIONS = 64;

/** What the listeners of a node take at most, by its configuration and by what the system lets the process open. */
export function listenerLimits({ disk }: Runtime, config: KafkaConfig): SocketServerOptions {
  const limit = descriptorLimit(disk) ?? Number.POSITIVE_INFINITY;
  const room = Math.max(MIN_CONNECTIONS, limit - RESERVED_DESCRIPTORS);
  return {
    maxFrameBytes: config.int('socket.request.max.bytes'),
    maxIdleMs: config.long('connections.max.idle.ms'),
    maxConnections: Math.min(config.int('max.connections'), room),
    perListener: ofListeners(config, 'max.connections'),
    maxConnectionsPerIp: config.int('max.connections.per.ip'),
    perIpOverrides: config.maxConnectionsPerIpOverrides,
    backlog: config.int('socket.listen.backlog.size'),
  };
}

/** How fast connections may come to the listeners of a node. */
export function connectionRateLimits(config: KafkaConfig): ConnectionRateLimits {
  const { brokerListeners, interBrokerListenerName } = config;
  const limits = ofListeners(config, 'max.connection.creation.rate');
  return {
    node: orNoLimit(config.int('max.connection.creation.rate')),
    listeners: new Map([...limits].map(([name, limit]) => [name, orNoLimit(limit)])),
    protectedListener: brokerListeners.length > 1 ? interBrokerListenerName : undefined,
  };
}

function ofListeners(config: KafkaConfig, key: string): Map<string, number> {
  return new Map(
    config.listeners.map(({ listenerName }) => [listenerName, config.listenerInt(listenerName, key)]),
  );
}

/** The largest number stands for no limit. */
function orNoLimit(limit: number): number {
  return limit === INT_MAX ? Number.POSITIVE_INFINITY : limit;
}
