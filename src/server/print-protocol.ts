import { MESSAGES } from '../protocol/messages/index.ts';
import { lastStableVersion, type ServedApi } from './handler.ts';
import { brokerHandlers, controllerHandlers } from './handlers/index.ts';

/**
 * `docs/PROTOCOL.md`: every API of the protocol with its versions and whether this broker serves it, from the message
 * definitions and the table of handlers.
 */
export function protocolDocument(
  brokerApis: readonly ServedApi[] = brokerHandlers,
  controllerApis: readonly ServedApi[] = controllerHandlers,
): string {
  const byKey = (apis: readonly ServedApi[]) => new Map(apis.map(api => [api.apiKey, api]));
  const onBrokers = byKey(brokerApis);
  const onControllers = byKey(controllerApis);
  const served = new Map([...onControllers, ...onBrokers]);
  const rows = MESSAGES.map(({ apiKey, name, request }) => {
    const handler = served.get(apiKey);
    return [
      String(apiKey),
      name,
      versions(request.minVersion, lastStableVersion(request)),
      handler === undefined ? 'not yet' : versions(handler.minVersion, handler.maxVersion),
      request.listeners.join(', '),
      servedOn(onBrokers.get(apiKey), onControllers.get(apiKey)),
      (handler?.authorize ?? []).join(', '),
    ];
  });
  return [
    '# The protocol',
    '',
    'Printed from the code by `npm run docs`; a test holds this page against it.',
    `${served.size} of ${MESSAGES.length} APIs are served.`,
    '',
    'An API is advertised by ApiVersions exactly when it is served, in the versions that are served. *Defined* are the',
    'versions of Kafka 4.4 and those that Kafka 4.0 dropped; a version that may still change is left out.',
    '*Listeners* are the kinds of listeners that may serve the API; *Served on* are those that do so here. An API that',
    'is *forwarded* is passed on by a broker to the active controller. *Rights* are all that some version of a request',
    'may need, as an authorizer names them.',
    '',
    ...table(['Key', 'API', 'Defined', 'Served', 'Listeners', 'Served on', 'Rights'], rows),
    '',
  ].join('\n');
}

function servedOn(broker: ServedApi | undefined, controller: ServedApi | undefined): string {
  const kinds = [];
  if (broker !== undefined) kinds.push(broker.forwarded ? 'broker (forwarded)' : 'broker');
  if (controller !== undefined) kinds.push('controller');
  return kinds.join(', ');
}

function versions(min: number, max: number): string {
  return min === max ? String(min) : `${min}-${max}`;
}

/** A Markdown table with columns that line up. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)];
}
