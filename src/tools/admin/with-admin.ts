import { silentLogger } from '../../base/logger.ts';
import type { HostAndPort } from '../../client/network-client.ts';
import { parseHostAndPort } from '../../config/listeners.ts';
import { KafkaError } from '../../protocol/errors.ts';
import { type ToolContext, ToolError } from '../tool-context.ts';
import { AdminClient } from './admin-client.ts';
import { PlanError } from './reassignment-planner.ts';

/** The option of commands that ask a cluster. */
export const BOOTSTRAP_OPTION = {
  alias: 'b',
  type: 'string',
  default: 'localhost:9092',
  describe: 'Brokers to ask, host:port with commas between',
} as const;

/** Runs a command that asks the cluster at `bootstrap`. What the cluster refuses is a {@link ToolError}. */
export async function withAdmin(
  context: ToolContext,
  bootstrap: string,
  run: (admin: AdminClient) => Promise<void>,
): Promise<void> {
  const admin = new AdminClient(context.runtime, silentLogger, parseBootstrap(bootstrap));
  try {
    await run(admin);
  } catch (error) {
    if (error instanceof KafkaError || error instanceof PlanError) throw new ToolError(error.message);
    throw error;
  } finally {
    admin.close();
  }
}

function parseBootstrap(text: string): HostAndPort[] {
  return text.split(',').map(part => {
    const parsed = parseHostAndPort(part.trim());
    if (!parsed.ok) throw new ToolError(`--bootstrap-server: ${parsed.problem}`);
    return parsed.value;
  });
}
