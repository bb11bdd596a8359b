import type { Logger } from '../base/logger.ts';
import { NetworkClient } from '../client/network-client.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { Errors, errorName } from '../protocol/errors.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { NodeIdentity } from './shared-server.ts';

export interface AdvertisedAddress extends HostAndPort {
  readonly listenerName: string;
}

const TIMEOUT_MS = 5_000;
const MAX_FRAME_BYTES = 1024 * 1024;
const API_VERSIONS = { request: ApiVersionsRequest, response: ApiVersionsResponse };

const ADVICE =
  'clients are sent to this address whatever address they began with: set advertised.listeners to one that they can ' +
  'reach. If this machine alone cannot reach it, all is well';

/**
 * Dials the addresses that this broker advertises, as clients will, and warns of those where it does not find itself:
 * the most common mistake of a configuration, which otherwise shows as clients that time out. Never rejects.
 */
export async function checkAdvertisedListeners(
  runtime: Runtime,
  logger: Logger,
  { nodeId, clusterId }: NodeIdentity,
  addresses: readonly AdvertisedAddress[],
): Promise<void> {
  const client = new NetworkClient(runtime, logger, {
    clientId: `broker-${nodeId}-self-check`,
    connectTimeoutMs: TIMEOUT_MS,
    maxFrameBytes: MAX_FRAME_BYTES,
  });
  await Promise.all(
    addresses.map(async ({ listenerName, host, port }) => {
      const problem = await problemOf(client, { host, port }, clusterId, nodeId);
      if (problem === undefined) return;
      logger.warn('this broker does not find itself at an address that it advertises', {
        listener: listenerName,
        address: `${host}:${port}`,
        problem,
        advice: ADVICE,
      });
    }),
  );
  client.close();
}

/** Version 5 asks for a node by its id (KIP-1242); older ones only show that a broker answers. */
async function problemOf(
  client: NetworkClient,
  address: HostAndPort,
  clusterId: string,
  nodeId: number,
): Promise<string | undefined> {
  try {
    const { errorCode } = await client.send(
      address,
      API_VERSIONS,
      { clientSoftwareName: 'odradek', clientSoftwareVersion: '1', clusterId, nodeId },
      { timeoutMs: TIMEOUT_MS },
    );
    if (errorCode === Errors.NONE) return undefined;
    if (errorCode === Errors.REBOOTSTRAP_REQUIRED) return 'another node or another cluster answers there';
    return `what answers there says ${errorName(errorCode)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
