import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ApiKeys } from '../../src/protocol/api-keys.ts';
import { Errors, isRetriable } from '../../src/protocol/errors.ts';
import { type Fields, inVersions, parseVersions, type TypeRef } from '../../src/protocol/schema.ts';
import { ALL_MESSAGES } from './all-messages.ts';

/** A field as the tables of Kafka print it. */
interface TableField {
  name: string;
  type: string;
  versions?: string;
  nullableVersions?: string;
  taggedVersions?: string;
  flexibleVersions?: string;
  tag?: number;
  default?: string;
  ignorable?: boolean;
  mapKey?: boolean;
  entityType?: string;
  fields?: TableField[];
}

interface TableMessage {
  name: string;
  type: string;
  apiKey?: number;
  validVersions: string;
  flexibleVersions?: string;
  latestVersionUnstable?: boolean;
  listeners?: string[];
  commonStructs?: { name: string; fields: TableField[] }[];
  fields: TableField[];
}

function table(name: string): Map<string, TableMessage> {
  const file = JSON.parse(readFileSync(new URL(`./tables/${name}`, import.meta.url), 'utf8'));
  const messages = Object.values(file).flat() as TableMessage[];
  return new Map(messages.filter(m => m.validVersions !== 'none').map(m => [m.name, m]));
}

const latest = table('kafka-4.4.0.json');
const older = table('kafka-3.9.1.json');

/**
 * What one version of a message looks like, in a form that both sides can be brought to. Map keys are no part of the
 * encoding, and 4.4.0 has them where 3.9.1 had none: they are held against 4.4.0 alone.
 */
interface FieldShape {
  name: string;
  type: string;
  nullable: boolean;
  tag: number | null;
  default: string;
  mapKey: boolean | undefined;
  fields?: FieldShape[];
}

function normalDefault(text: string | number | bigint | boolean | null | undefined, type: string): string {
  if (text === null || text === 'null') return 'null';
  const plain = text === undefined ? '' : String(text).toLowerCase();
  if (/^u?int|^float/.test(type)) return String(Number(plain === '' ? 0 : plain));
  if (type === 'bool') return plain === 'true' ? 'true' : 'false';
  return type === 'string' ? String(text ?? '') : '';
}

function tableShape(
  message: TableMessage,
  fields: TableField[],
  version: number,
  mapKeys: boolean,
): FieldShape[] {
  return fields
    .filter(field => inVersions(parseVersions(field.versions ?? field.taggedVersions ?? '0+'), version))
    .map(field => {
      const base = field.type.replace('[]', '');
      const inner = field.fields ?? message.commonStructs?.find(struct => struct.name === base)?.fields;
      return {
        name: field.name[0]!.toLowerCase() + field.name.slice(1),
        type: field.type,
        nullable: inVersions(parseVersions(field.nullableVersions), version),
        tag: inVersions(parseVersions(field.taggedVersions), version) ? field.tag! : null,
        default: normalDefault(field.default, field.type),
        mapKey: mapKeys ? (field.mapKey ?? false) : undefined,
        ...(inner === undefined ? {} : { fields: tableShape(message, inner, version, mapKeys) }),
      };
    });
}

function typeName(type: TypeRef): string {
  if (typeof type === 'string') return type;
  return 'fields' in type ? type.struct : `[]${typeName(type.element)}`;
}

function innerFields(type: TypeRef): Fields | undefined {
  if (typeof type === 'string') return undefined;
  return 'fields' in type ? type.fields : innerFields(type.element);
}

function ourShape(fields: Fields, version: number, mapKeys: boolean): FieldShape[] {
  return Object.entries(fields)
    .filter(([, field]) => inVersions(parseVersions(field.versions), version))
    .map(([name, { type, options }]) => {
      const inner = innerFields(type);
      return {
        name,
        type: typeName(type),
        nullable: inVersions(parseVersions(options.nullable), version),
        tag: inVersions(parseVersions(options.tagged), version) ? options.tag! : null,
        default: normalDefault(options.default, typeName(type)),
        mapKey: mapKeys ? (options.mapKey ?? false) : undefined,
        ...(inner === undefined ? {} : { fields: ourShape(inner, version, mapKeys) }),
      };
    });
}

describe('the message definitions', () => {
  it('name every message of the tables of Kafka 4.4.0, each once', () => {
    expect(ALL_MESSAGES.map(m => m.name).sort()).toEqual([...latest.keys()].sort());
  });

  it.each(ALL_MESSAGES.map(m => [m.name, m] as const))(
    '%s is the union of 4.4.0 and 3.9.1 at every version',
    (name, ours) => {
      const current = latest.get(name)!;
      const former = older.get(name);
      const versions = parseVersions(current.validVersions);
      const lowest = Math.min(
        versions.min,
        former === undefined ? versions.min : parseVersions(former.validVersions).min,
      );
      expect([ours.minVersion, ours.maxVersion]).toEqual([lowest, versions.max]);
      expect(ours.kind).toBe(current.type);
      expect(ours.apiKey).toBe(current.apiKey);
      expect(ours.latestVersionUnstable).toBe(current.latestVersionUnstable ?? false);
      expect([...ours.listeners]).toEqual(current.listeners ?? []);
      for (let version = lowest; version <= versions.max; version++) {
        const theirs = version < versions.min ? former! : current;
        expect(inVersions(ours.flexible, version)).toBe(
          inVersions(parseVersions(theirs.flexibleVersions), version),
        );
        const mapKeys = theirs === current;
        expect(ourShape(ours.fields, version, mapKeys), `version ${version}`).toEqual(
          tableShape(theirs, theirs.fields, version, mapKeys),
        );
      }
    },
  );

  it('give each API key the name of its request', () => {
    const requests = [...latest.values()].filter(m => m.type === 'request');
    expect(Object.values(ApiKeys).sort((a, b) => a - b)).toEqual(
      requests.map(m => m.apiKey!).sort((a, b) => a - b),
    );
    for (const [name, key] of Object.entries(ApiKeys)) {
      const request = requests.find(m => m.apiKey === key)!;
      expect(name.replaceAll('_', '')).toBe(request.name.replace(/Request$/, '').toUpperCase());
    }
  });

  it('have the error codes of the reference table', () => {
    const rows = readFileSync(new URL('./tables/errors.tsv', import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .slice(1);
    const table = rows
      .map(row => row.split('\t'))
      .map(([code, name, retriable]) => [name, Number(code), retriable === 'true']);
    expect(Object.entries(Errors).map(([name, code]) => [name, code, isRetriable(code)])).toEqual(table);
  });
});
