import { ApiKeys } from '../protocol/api-keys.ts';
import { Errors } from '../protocol/errors.ts';
import type { RequestContext } from '../server/handler.ts';
import type { ErrorName, FailNextOptions } from './cluster.ts';

interface Rule {
  readonly apiKey: number;
  readonly code: number;
  readonly broker: number | undefined;
  left: number;
}

/** The requests that are to fail: each rule answers so many of them, in the order in which the rules were made. */
export class FailingRequests {
  private readonly rules: Rule[] = [];

  /** Throws `RangeError` for an API or an error that the protocol does not have. */
  add(api: string | number, code: ErrorName | number, { times = 1, broker }: FailNextOptions = {}): void {
    this.rules.push({ apiKey: apiKeyOf(api), code: errorCodeOf(code), broker, left: times });
  }

  clear(): void {
    this.rules.length = 0;
  }

  /** The error code to answer a request with, if it is one that is to fail; it counts as one that has. */
  take(broker: number, { apiKey }: Pick<RequestContext, 'apiKey'>): number | undefined {
    const at = this.rules.findIndex(
      rule => rule.apiKey === apiKey && (rule.broker === undefined || rule.broker === broker),
    );
    if (at < 0) return undefined;
    const rule = this.rules[at]!;
    if (--rule.left <= 0) this.rules.splice(at, 1);
    return rule.code;
  }
}

/** `Produce`, `PRODUCE` and 0 are the same API. */
function apiKeyOf(api: string | number): number {
  const plain = (name: string): string => name.replaceAll('_', '').toLowerCase();
  for (const [name, key] of Object.entries(ApiKeys)) {
    if (key === api || (typeof api === 'string' && plain(name) === plain(api))) return key;
  }
  throw new RangeError(
    `there is no API '${api}' in Kafka's protocol; 'Produce' and 'JoinGroup' are such names`,
  );
}

function errorCodeOf(code: ErrorName | number): number {
  const known = typeof code === 'number' ? Object.values(Errors).find(each => each === code) : Errors[code];
  if (known !== undefined && known !== Errors.NONE) return known;
  throw new RangeError(`'${code}' is no error of Kafka's protocol; 'NOT_LEADER_OR_FOLLOWER' is one`);
}
