import type { Int64 } from '../../src/base/int64.ts';
import {
  type Field,
  type Fields,
  inVersions,
  type Message,
  parseVersions,
  type TypeRef,
} from '../../src/protocol/schema.ts';

/**
 * A slow, plain reading of the encoding rules, which shares nothing with the compiled codecs but the definitions: the
 * differential oracle of their tests. It works on byte arrays and has no limits.
 */

type Value = unknown;
type Struct = Record<string, Value>;

interface Context {
  version: number;
  flexible: boolean;
}

function presentFields(fields: Fields, version: number): [string, Field][] {
  return Object.entries(fields).filter(([, field]) => inVersions(parseVersions(field.versions), version));
}

function isTagged(field: Field, version: number): boolean {
  return inVersions(parseVersions(field.options.tagged), version);
}

function isNullable(field: Field, version: number): boolean {
  return inVersions(parseVersions(field.options.nullable), version);
}

function isCompact(field: Field, context: Context): boolean {
  const { flexible } = field.options;
  return flexible === undefined ? context.flexible : inVersions(parseVersions(flexible), context.version);
}

export function defaultValue(type: TypeRef, given: unknown): Value {
  if (given === null) return null;
  if (typeof type === 'object') {
    if ('element' in type) return [];
    return Object.fromEntries(
      Object.entries(type.fields).map(([name, field]) => [
        name,
        defaultValue(field.type, field.options.default),
      ]),
    );
  }
  if (given !== undefined) return given;
  if (type === 'string') return '';
  if (type === 'bool') return false;
  if (type === 'uuid') return 'AAAAAAAAAAAAAAAAAAAAAA';
  return type === 'bytes' || type === 'records' ? Buffer.alloc(0) : 0;
}

function sameValue(a: Value, b: Value): boolean {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return a.equals(b);
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  const left = Object.entries(a as Struct);
  return (
    left.length === Object.keys(b as Struct).length &&
    left.every(([key, value]) => sameValue(value, (b as Struct)[key]))
  );
}

function bigEndian(value: bigint, bytes: number): number[] {
  const unsigned = BigInt.asUintN(bytes * 8, value);
  return Array.from({ length: bytes }, (_, i) => Number((unsigned >> BigInt(8 * (bytes - 1 - i))) & 0xffn));
}

function unsignedVarint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsignedVarint(Math.floor(value / 128))];
}

const WIDTHS = { int8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8 } as const;

function encodeType(
  type: TypeRef,
  value: Value,
  compact: boolean,
  nullable: boolean,
  context: Context,
): number[] {
  const length = (size: number, width: number) =>
    compact ? unsignedVarint(size + 1) : bigEndian(BigInt(size), width);
  if (typeof type === 'object' && 'fields' in type) {
    if (!nullable) return encodeStruct(type.fields, value as Struct, context);
    return value === null ? [0xff] : [1, ...encodeStruct(type.fields, value as Struct, context)];
  }
  if (value === null) return length(-1, type === 'string' ? 2 : 4);
  if (typeof type === 'object') {
    const items = value as Value[];
    return [
      ...length(items.length, 4),
      ...items.flatMap(item => encodeType(type.element, item, compact, false, context)),
    ];
  }
  switch (type) {
    case 'bool':
      return [value === true ? 1 : 0];
    case 'float64': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value as number);
      return [...bytes];
    }
    case 'uuid':
      return [...Buffer.from(value as string, 'base64url')];
    case 'string': {
      const bytes = Buffer.from(value as string);
      return [...length(bytes.length, 2), ...bytes];
    }
    case 'bytes':
    case 'records':
      return [...length((value as Buffer).length, 4), ...(value as Buffer)];
    default:
      return bigEndian(BigInt(value as Int64), WIDTHS[type]);
  }
}

function encodeField(field: Field, value: Value, context: Context): number[] {
  return encodeType(
    field.type,
    value,
    isCompact(field, context),
    isNullable(field, context.version),
    context,
  );
}

function encodeStruct(fields: Fields, value: Struct, context: Context): number[] {
  const present = presentFields(fields, context.version);
  const plain = present.filter(([, field]) => !isTagged(field, context.version));
  const bytes = plain.flatMap(([name, field]) => encodeField(field, value[name], context));
  if (!context.flexible) return bytes;
  const tagged = present
    .filter(([, field]) => isTagged(field, context.version))
    .filter(([name, field]) => !sameValue(value[name], defaultValue(field.type, field.options.default)))
    .sort(([, a], [, b]) => a.options.tag! - b.options.tag!);
  bytes.push(...unsignedVarint(tagged.length));
  for (const [name, field] of tagged) {
    const content = encodeField(field, value[name], context);
    bytes.push(...unsignedVarint(field.options.tag!), ...unsignedVarint(content.length), ...content);
  }
  return bytes;
}

export function interpretEncode(message: Message, version: number, value: Struct): Buffer {
  return Buffer.from(
    encodeStruct(message.fields, value, { version, flexible: inVersions(message.flexible, version) }),
  );
}

/** A source of reproducible choices. */
export type Pick = (bound: number) => number;

const INTEGER_EDGES: Record<string, Int64[]> = {
  int8: [-128, -1, 0, 1, 127],
  int16: [-32768, -1, 0, 1, 32767],
  uint16: [0, 1, 65535],
  int32: [-2147483648, -1, 0, 1, 2147483647],
  uint32: [0, 1, 4294967295],
  int64: [
    -(2n ** 63n),
    -(2n ** 53n),
    -9007199254740991,
    -1,
    0,
    1,
    2 ** 32,
    9007199254740991,
    2n ** 53n,
    2n ** 63n - 1n,
  ],
};

const STRINGS = ['', 'a', '__proto__', 'ünïcödé \u{1f9f5}', 'x'.repeat(127), 'y'.repeat(300)];

function randomType(type: TypeRef, pick: Pick, version: number, depth: number): Value {
  if (typeof type === 'object') {
    if ('fields' in type) return randomFields(type.fields, pick, version, depth + 1);
    const count = depth > 3 ? pick(2) : pick(4);
    return Array.from({ length: count }, () => randomType(type.element, pick, version, depth));
  }
  switch (type) {
    case 'bool':
      return pick(2) === 1;
    case 'float64':
      return [0, -1.5, 1e300][pick(3)];
    case 'string':
      return STRINGS[pick(STRINGS.length)];
    case 'uuid':
      return Buffer.from(Array.from({ length: 16 }, () => pick(256))).toString('base64url');
    case 'bytes':
    case 'records':
      return Buffer.from(Array.from({ length: pick(200) }, () => pick(256)));
    default: {
      const edges = INTEGER_EDGES[type]!;
      return edges[pick(edges.length)];
    }
  }
}

function randomFields(fields: Fields, pick: Pick, version: number, depth: number): Struct {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => {
      if (!inVersions(parseVersions(field.versions), version) || pick(8) === 0) {
        return [name, defaultForVersion(field, version)];
      }
      if (isNullable(field, version) && pick(3) === 0) return [name, null];
      return [name, randomType(field.type, pick, version, depth)];
    }),
  );
}

/** A default of null cannot stand where the version has the field but does not let it be null. */
function defaultForVersion(field: Field, version: number): Value {
  const present = inVersions(parseVersions(field.versions), version);
  if (present && field.options.default === null && !isNullable(field, version))
    return defaultValue(field.type, undefined);
  return defaultValue(field.type, field.options.default);
}

/** A random value that `version` of `message` can carry, in the form that decoding gives. */
export function randomValue(message: Message, version: number, pick: Pick): Struct {
  return randomFields(message.fields, pick, version, 0);
}
