import type { Int64 } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';

/**
 * The form of the message definitions. A definition is plain data, made with {@link message}, {@link f},
 * {@link array} and {@link struct}; its static type is {@link Infer} and its codec is compiled on first use by
 * `codec.ts`. Nothing is generated into the source tree.
 */

export type PrimitiveType =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records';

export interface ArrayType<Element extends TypeRef = TypeRef> {
  readonly element: Element;
}

export type Fields = { readonly [name: string]: Field };

export interface StructType<F extends Fields = Fields> {
  readonly struct: string;
  readonly fields: F;
}

export type TypeRef = PrimitiveType | ArrayType | StructType;

export type EntityType = 'topicName' | 'groupId' | 'transactionalId' | 'producerId' | 'brokerId' | 'unknown';

/** A set of versions: `'3+'`, `'0-12'`, `'2'` or `'none'`. */
export type Versions = string;

export interface FieldOptions {
  /** The versions in which null may stand for the value. */
  readonly nullable?: Versions;
  /** What a field absent from a version holds; without it 0, false, an empty string, array or struct. */
  readonly default?: number | bigint | boolean | string | null;
  /** The number in the tagged section, for the versions of `tagged`. */
  readonly tag?: number;
  readonly tagged?: Versions;
  /** Overrides the message's `flexible` for this field's length encoding (header client ids stay old strings). */
  readonly flexible?: Versions;
  /** The array is keyed by this field of its element. */
  readonly mapKey?: true;
  /** A value that the version cannot carry is left out silently; otherwise encoding it is an error. */
  readonly ignorable?: true;
  readonly entityType?: EntityType;
}

export interface Field<T extends TypeRef = TypeRef, O extends FieldOptions = FieldOptions> {
  readonly type: T;
  readonly versions: Versions;
  readonly options: O;
}

export type MessageKind =
  | 'request'
  | 'response'
  | 'header'
  | 'data'
  | 'metadata'
  | 'coordinator-key'
  | 'coordinator-value';

export interface MessageOptions {
  readonly kind: MessageKind;
  /** The API key of a request or response; the type of a record. */
  readonly apiKey?: number;
  readonly versions: Versions;
  readonly flexible: Versions;
  readonly listeners?: readonly ('broker' | 'controller')[];
  /** The highest version may still change upstream: it is never advertised. */
  readonly latestVersionUnstable?: true;
}

export interface Message<F extends Fields = Fields> {
  readonly name: string;
  readonly kind: MessageKind;
  readonly apiKey: number | undefined;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly latestVersionUnstable: boolean;
  readonly flexible: VersionRange;
  readonly listeners: readonly ('broker' | 'controller')[];
  readonly fields: F;
}

/** Inclusive; empty when `min > max`. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

const NO_VERSIONS: VersionRange = { min: 1, max: 0 };

export function parseVersions(text: Versions | undefined): VersionRange {
  if (text === undefined || text === 'none') return NO_VERSIONS;
  const match = /^(\d+)(\+|-(\d+))?$/.exec(text);
  if (match === null) throw new Error(`'${text}' is not a version range`);
  const min = Number(match[1]);
  if (match[2] === undefined) return { min, max: min };
  return { min, max: match[3] === undefined ? Number.MAX_SAFE_INTEGER : Number(match[3]) };
}

export function inVersions(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}

export function f<const T extends TypeRef, const O extends FieldOptions = Record<never, never>>(
  type: T,
  versions: Versions,
  options?: O,
): Field<T, O> {
  return { type, versions, options: options ?? ({} as O) };
}

export function array<const E extends TypeRef>(element: E): ArrayType<E> {
  return { element };
}

export function struct<const F extends Fields>(name: string, fields: F): StructType<F> {
  return { struct: name, fields };
}

export function message<const F extends Fields>(
  name: string,
  options: MessageOptions,
  fields: F,
): Message<F> {
  const versions = parseVersions(options.versions);
  return {
    name,
    kind: options.kind,
    apiKey: options.apiKey,
    minVersion: versions.min,
    maxVersion: versions.max,
    latestVersionUnstable: options.latestVersionUnstable ?? false,
    flexible: parseVersions(options.flexible),
    listeners: options.listeners ?? [],
    fields,
  };
}

interface PrimitiveValues {
  bool: boolean;
  int8: number;
  int16: number;
  uint16: number;
  int32: number;
  uint32: number;
  int64: Int64;
  float64: number;
  string: string;
  uuid: Uuid;
  bytes: Buffer;
  records: Buffer;
}

type Nullable<O, V> = O extends { readonly nullable: string } ? V | null : V;

type DecodedType<T> = T extends keyof PrimitiveValues
  ? PrimitiveValues[T]
  : T extends { readonly element: infer E }
    ? DecodedType<E>[]
    : T extends { readonly fields: infer F }
      ? DecodedFields<F>
      : never;

type DecodedFields<F> = {
  -readonly [K in keyof F]: F[K] extends { readonly type: infer T; readonly options: infer O }
    ? Nullable<O, DecodedType<T>>
    : never;
};

type InputType<T> = T extends 'records'
  ? Buffer | readonly Buffer[]
  : T extends keyof PrimitiveValues
    ? PrimitiveValues[T]
    : T extends { readonly element: infer E }
      ? readonly InputType<E>[]
      : T extends { readonly fields: infer F }
        ? InputFields<F>
        : never;

type InputFields<F> = {
  readonly [K in keyof F]?:
    | (F[K] extends { readonly type: infer T; readonly options: infer O } ? Nullable<O, InputType<T>> : never)
    | undefined;
};

/** The decoded value of a message: every field is present. */
export type Infer<M> = M extends { readonly fields: infer F } ? DecodedFields<F> : never;

/** What may be encoded as a message: fields left out take their default. */
export type Input<M> = M extends { readonly fields: infer F } ? InputFields<F> : never;
