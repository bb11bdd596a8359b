import { MESSAGES } from '../protocol/messages/index.ts';
import { type Handler, lastStableVersion } from './handler.ts';
import { allHandlers } from './handlers/index.ts';

/**
 * `docs/PROTOCOL.md`: every API of the protocol with its versions and whether this broker serves it, from the message
 * definitions and the table of handlers.
 */
export function protocolDocument(handlers: readonly Handler[] = allHandlers): string {
  const served = new Map(handlers.map(handler => [handler.apiKey, handler]));
  const rows = MESSAGES.map(({ apiKey, name, request }) => {
    const handler = served.get(apiKey);
    return [
      String(apiKey),
      name,
      versions(request.minVersion, lastStableVersion(request)),
      handler === undefined ? 'not yet' : versions(handler.minVersion, handler.maxVersion),
      request.listeners.join(', '),
      handler === undefined ? '' : handler.listeners.join(', '),
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
    '*Listeners* are the kinds of listeners that may serve the API, and that do so here. *Rights* are all that some',
    'version of a request may need, as an authorizer names them.',
    '',
    ...table(['Key', 'API', 'Defined', 'Served', 'Listeners', 'Served on', 'Rights'], rows),
    '',
  ].join('\n');
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
