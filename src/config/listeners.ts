export type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';

const SECURITY_PROTOCOLS: ReadonlySet<string> = new Set(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']);

/** An address that a node listens at or is reached at. */
export interface EndPoint {
  /** In capitals. */
  readonly listenerName: string;
  readonly securityProtocol: SecurityProtocol;
  /** Empty for all interfaces. IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** A member of a quorum with fixed members. */
export interface QuorumVoter extends HostAndPort {
  readonly nodeId: number;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

/** Parses `NAME://host:port`. The protocol is looked up in `protocols`, whose keys are in capitals. */
export function parseEndPoint(
  text: string,
  protocols: ReadonlyMap<string, SecurityProtocol>,
): Parsed<EndPoint> {
  const [, name, rest] = /^([^:/]+):\/\/(.*)$/.exec(text) ?? [];
  if (name === undefined) return { ok: false, problem: `'${text}' is not of the form NAME://host:port` };
  const address = parseHostAndPort(rest!);
  if (!address.ok) return address;
  const listenerName = name.toUpperCase();
  const securityProtocol = protocols.get(listenerName);
  if (securityProtocol === undefined) {
    return {
      ok: false,
      problem: `the listener ${listenerName} has no protocol in listener.security.protocol.map`,
    };
  }
  return { ok: true, value: { listenerName, securityProtocol, ...address.value } };
}

/** Parses `host:port` or `[IPv6]:port`; the host may be empty. */
export function parseHostAndPort(text: string): Parsed<HostAndPort> {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9a-zA-Z:.%_-]*)\]|([0-9a-zA-Z.%_-]*)):(-?\d{1,9})$/.exec(text) ?? [];
  if (digits === undefined) return { ok: false, problem: `'${text}' is not of the form host:port` };
  const port = Number(digits);
  if (port < 0 || port > 65535) return { ok: false, problem: `'${text}': a port is between 0 and 65535` };
  return { ok: true, value: { host: bracketed ?? plain!, port } };
}

/** Parses `id@host:port`. */
export function parseQuorumVoter(text: string): Parsed<QuorumVoter> {
  const [, id, rest] = /^(\d{1,9})@(.*)$/.exec(text) ?? [];
  if (id === undefined) return { ok: false, problem: `'${text}' is not of the form id@host:port` };
  const address = parseHostAndPort(rest!);
  if (!address.ok) return address;
  return { ok: true, value: { nodeId: Number(id), ...address.value } };
}

/** Parses `NAME:PROTOCOL,...`. Names come in capitals. */
export function parseProtocolMap(text: string): Parsed<Map<string, SecurityProtocol>> {
  const protocols = new Map<string, SecurityProtocol>();
  for (const each of text.split(',').map(part => part.trim())) {
    if (each === '') continue;
    const colon = each.lastIndexOf(':');
    const name = each.slice(0, Math.max(0, colon)).trim().toUpperCase();
    const protocol = each
      .slice(colon + 1)
      .trim()
      .toUpperCase();
    if (name === '') return { ok: false, problem: `'${each}' is not of the form NAME:PROTOCOL` };
    if (!SECURITY_PROTOCOLS.has(protocol)) {
      return { ok: false, problem: `'${each}': a protocol is one of ${[...SECURITY_PROTOCOLS].join(', ')}` };
    }
    if (protocols.has(name)) return { ok: false, problem: `the listener ${name} is there twice` };
    protocols.set(name, protocol as SecurityProtocol);
  }
  return { ok: true, value: protocols };
}

/** `NAME://host:port`, with brackets around IPv6. */
export function formatEndPoint(endPoint: EndPoint): string {
  const host = endPoint.host.includes(':') ? `[${endPoint.host}]` : endPoint.host;
  return `${endPoint.listenerName}://${host}:${endPoint.port}`;
}
