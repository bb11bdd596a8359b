import { createServer, type Server } from 'node:net';
import { randomInt } from 'node:crypto';

const HOST = '127.0.0.1';
/**
 * Below the ports that systems give to outgoing connections: one of these may sit on a free port at any time, also on that
 * of a node that is down, which could not start again.
 */
const [FIRST_PORT, END_PORT] = [10_000, 32_000];

/** What this process was given: a port stays free only until somebody listens there. */
const given = new Set<number>();

/** TCP ports of 127.0.0.1 that were free a moment ago, none of which this process has been given before. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  const servers: Server[] = [];
  while (ports.length < count) {
    const port = randomInt(FIRST_PORT, END_PORT);
    if (given.has(port)) continue;
    const server = await listen(port);
    if (server === undefined) continue;
    given.add(port);
    ports.push(port);
    servers.push(server);
  }
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}

/** Undefined if the port is taken. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen(port, HOST, () => resolve(server));
  });
}
