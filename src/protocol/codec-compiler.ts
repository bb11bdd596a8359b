import type { ByteReader } from '../base/byte-reader.ts';
import type { ByteWriter } from '../base/byte-writer.ts';
import { type Int64, toInt64 } from '../base/int64.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { decodeSupport, encodeSupport } from './codec-support.ts';
import {
  type Field,
  type FieldOptions,
  type Fields,
  inVersions,
  type Message,
  parseVersions,
  type StructType,
  type TypeRef,
} from './schema.ts';

/**
 * Makes a decoder or an encoder of one (message, version): straight-line JavaScript with a function per struct, so that
 * the engine sees fixed shapes and no interpretation of the tables. The only text that goes into the source comes from
 * the definitions.
 */

type Default = Int64 | boolean | string | null;

interface FieldPlan {
  readonly name: string;
  readonly path: string;
  readonly type: TypeRef;
  readonly options: FieldOptions;
  /** Whether this version has the field. */
  readonly present: boolean;
  readonly nullable: boolean;
  readonly flexible: boolean;
  /** Defined if this version carries the field in the tagged section. */
  readonly tag: number | undefined;
  readonly ignorable: boolean;
}

abstract class Compiler {
  protected readonly version: number;
  protected readonly flexible: boolean;
  protected readonly functions: string[] = [];
  private nextId = 0;

  constructor(message: Message, version: number) {
    this.version = version;
    this.flexible = inVersions(message.flexible, version);
  }

  protected id(prefix: string): string {
    return `${prefix}${this.nextId++}`;
  }

  protected plans(fields: Fields, path: string): FieldPlan[] {
    return Object.entries(fields).map(([name, field]) => this.plan(name, field, path));
  }

  private plan(name: string, field: Field, path: string): FieldPlan {
    const { version } = this;
    const { options } = field;
    const present = inVersions(parseVersions(field.versions), version);
    return {
      name,
      path: `${path}.${name}`,
      type: field.type,
      options,
      present,
      nullable: inVersions(parseVersions(options.nullable), version),
      flexible:
        options.flexible === undefined ? this.flexible : inVersions(parseVersions(options.flexible), version),
      tag: present && inVersions(parseVersions(options.tagged), version) ? options.tag : undefined,
      ignorable: options.ignorable ?? false,
    };
  }

  /** A JavaScript expression for what the field holds where nothing was said. */
  protected defaultExpression(type: TypeRef, options: FieldOptions): string {
    const value = defaultOf(type, options);
    if (value === undefined) {
      if (typeof type === 'object' && 'fields' in type) {
        const entries = Object.entries(type.fields).map(
          ([name, field]) => `${JSON.stringify(name)}: ${this.defaultExpression(field.type, field.options)}`,
        );
        return `{ ${entries.join(', ')} }`;
      }
      return type === 'bytes' || type === 'records' ? 'Buffer.alloc(0)' : '[]';
    }
    return literal(value);
  }
}

function literal(value: Default): string {
  return typeof value === 'bigint' ? `${value}n` : JSON.stringify(value);
}

/** The scalar default of a field, or `undefined` for an empty array, empty bytes or a struct of defaults. */
function defaultOf(type: TypeRef, options: FieldOptions): Default | undefined {
  const given = options.default;
  if (given === null) return null;
  if (typeof type === 'object' || type === 'bytes' || type === 'records') return undefined;
  switch (type) {
    case 'bool':
      return given ?? false;
    case 'string':
      return given ?? '';
    case 'uuid':
      return given ?? ZERO_UUID;
    case 'int64':
      return given === undefined ? 0 : toInt64(BigInt(given));
    default:
      return given ?? 0;
  }
}

const PRIMITIVE_MIN_BYTES = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
} as const;

class DecoderCompiler extends Compiler {
  compile(message: Message): (reader: ByteReader) => unknown {
    const main = this.structFunction(message.fields, message.name);
    const source = `'use strict';\n${this.functions.join('\n')}\nreturn ${main};`;
    return new Function('H', source)(decodeSupport) as (reader: ByteReader) => unknown;
  }

  private structFunction(fields: Fields, path: string): string {
    const name = this.id('decode');
    const plans = this.plans(fields, path);
    const lines: string[] = [];
    const variables = new Map<string, string>();
    for (const plan of plans) {
      const variable = this.id('v');
      variables.set(plan.name, variable);
      lines.push(`let ${variable};`);
      if (!plan.present || plan.tag !== undefined) {
        lines.push(`${variable} = ${this.defaultExpression(plan.type, plan.options)};`);
      } else {
        lines.push(...this.value(variable, plan));
      }
    }
    if (this.flexible) lines.push(...this.taggedSection(plans, variables, path));
    const result = plans.map(plan => `${JSON.stringify(plan.name)}: ${variables.get(plan.name)}`);
    lines.push(`return { ${result.join(', ')} };`);
    this.functions.push(`function ${name}(r) {\n${lines.join('\n')}\n}`);
    return name;
  }

  private taggedSection(plans: FieldPlan[], variables: Map<string, string>, path: string): string[] {
    const tagged = plans.filter(plan => plan.tag !== undefined);
    const at = JSON.stringify(path);
    if (tagged.length === 0) return [`H.skipTags(r, ${at});`];
    const cases = tagged.flatMap(plan => [
      `case ${plan.tag}: {`,
      ...this.value(variables.get(plan.name)!, plan),
      `H.tagEnd(r, end, ${JSON.stringify(plan.path)});`,
      'break;',
      '}',
    ]);
    return [
      `for (let left = H.tagCount(r, ${at}); left > 0; left--) {`,
      'const tag = r.uvarint();',
      `const size = H.tagSize(r, ${at});`,
      'const end = r.position + size;',
      'switch (tag) {',
      ...cases,
      'default: r.skip(size);',
      '}',
      '}',
    ];
  }

  /** Statements that read one value into `variable`. */
  private value(variable: string, plan: FieldPlan): string[] {
    const { type, nullable, flexible } = plan;
    const at = JSON.stringify(plan.path);
    const onNull = nullable ? `${variable} = null` : `H.noNull(${at})`;
    const size = this.id('n');
    if (type === 'string') {
      const read = flexible ? 'compactStringSize' : 'stringSize';
      return [
        `const ${size} = H.${read}(r, ${at});`,
        `if (${size} < 0) ${onNull}; else ${variable} = r.utf8(${size});`,
      ];
    }
    if (type === 'bytes' || type === 'records') {
      const read = flexible ? 'compactBytesSize' : 'bytesSize';
      return [
        `const ${size} = H.${read}(r, ${at});`,
        `if (${size} < 0) ${onNull}; else ${variable} = r.view(${size});`,
      ];
    }
    if (typeof type === 'string') return [`${variable} = r.${type}();`];
    if ('fields' in type) {
      const decode = this.structFunction(type.fields, plan.path);
      if (!nullable) return [`${variable} = ${decode}(r);`];
      return [`if (r.int8() < 0) ${variable} = null; else ${variable} = ${decode}(r);`];
    }
    return this.arrayValue(variable, plan, type.element, size, onNull);
  }

  private arrayValue(
    variable: string,
    plan: FieldPlan,
    element: TypeRef,
    size: string,
    onNull: string,
  ): string[] {
    const read = plan.flexible ? 'compactCount' : 'count';
    const item = this.id('e');
    const elementPlan: FieldPlan = { ...plan, type: element, options: {}, nullable: false, tag: undefined };
    return [
      `const ${size} = H.${read}(r, ${this.minBytes(element, plan.flexible)}, ${JSON.stringify(plan.path)});`,
      `if (${size} < 0) ${onNull}; else {`,
      `${variable} = [];`,
      `for (let i = 0; i < ${size}; i++) {`,
      `let ${item};`,
      ...this.value(item, elementPlan),
      `${variable}.push(${item});`,
      '}',
      '}',
    ];
  }

  /** The fewest bytes that a value of `type` takes: what an array's count is checked with before anything is read. */
  private minBytes(type: TypeRef, flexible: boolean): number {
    if (typeof type === 'object') {
      if (!('fields' in type)) return flexible ? 1 : 4;
      let size = this.flexible ? 1 : 0;
      for (const plan of this.plans(type.fields, '')) {
        if (!plan.present || plan.tag !== undefined) continue;
        const isStruct = typeof plan.type === 'object' && 'fields' in plan.type;
        size += isStruct && plan.nullable ? 1 : this.minBytes(plan.type, plan.flexible);
      }
      return size;
    }
    if (type === 'string') return flexible ? 1 : 2;
    if (type === 'bytes' || type === 'records') return flexible ? 1 : 4;
    return PRIMITIVE_MIN_BYTES[type];
  }
}

class EncoderCompiler extends Compiler {
  compile(message: Message): (writer: ByteWriter, value: unknown) => void {
    const main = this.structFunction(message.fields, message.name);
    const source = `'use strict';\n${this.functions.join('\n')}\nreturn ${main};`;
    return new Function('H', source)(encodeSupport) as (writer: ByteWriter, value: unknown) => void;
  }

  private structFunction(fields: Fields, path: string): string {
    const name = this.id('encode');
    const lines: string[] = [];
    const tagged: { plan: FieldPlan; variable: string; isDefault: string }[] = [];
    for (const plan of this.plans(fields, path)) {
      const variable = this.id('v');
      lines.push(`const ${variable} = o[${JSON.stringify(plan.name)}];`);
      const isDefault = () =>
        `${variable} === undefined || ${this.isDefault(variable, plan.type, plan.options)}`;
      if (!plan.present) {
        if (!plan.ignorable) {
          lines.push(`if (!(${isDefault()})) H.unsupported(${JSON.stringify(plan.path)}, ${this.version});`);
        }
      } else if (plan.tag !== undefined) {
        tagged.push({ plan, variable, isDefault: isDefault() });
      } else {
        lines.push(...this.value('w', variable, plan));
      }
    }
    if (this.flexible) lines.push(...this.taggedSection(tagged));
    this.functions.push(`function ${name}(w, o) {\n${lines.join('\n')}\n}`);
    return name;
  }

  private taggedSection(tagged: { plan: FieldPlan; variable: string; isDefault: string }[]): string[] {
    if (tagged.length === 0) return ['w.uvarint(0);'];
    tagged.sort((a, b) => a.plan.tag! - b.plan.tag!);
    const lines: string[] = [];
    const flags = tagged.map(({ isDefault }) => {
      const flag = this.id('d');
      lines.push(`const ${flag} = !(${isDefault});`);
      return flag;
    });
    lines.push(`w.uvarint(${flags.join(' + ')});`);
    tagged.forEach(({ plan, variable }, index) => {
      const body = this.value('t', variable, plan).join(' ');
      lines.push(`if (${flags[index]}) H.tagged(w, ${plan.tag}, t => { ${body} });`);
    });
    return lines;
  }

  /** Statements that write the value of `variable`, or the default where it is undefined. */
  private value(writer: string, variable: string, plan: FieldPlan): string[] {
    const value = this.id('x');
    const fallback = this.defaultExpression(plan.type, plan.options);
    return [
      `const ${value} = ${variable} === undefined ? ${fallback} : ${variable};`,
      ...this.present(writer, value, plan),
    ];
  }

  private present(writer: string, value: string, plan: FieldPlan): string[] {
    const { type, flexible } = plan;
    if (typeof type === 'string' && type in PRIMITIVE_MIN_BYTES) return [`${writer}.${type}(${value});`];
    const isStruct = typeof type === 'object' && 'fields' in type;
    let onNull = `H.noNullValue(${JSON.stringify(plan.path)});`;
    if (plan.nullable) {
      if (isStruct) onNull = `${writer}.int8(-1);`;
      else if (flexible) onNull = `${writer}.uvarint(0);`;
      else onNull = type === 'string' ? `${writer}.int16(-1);` : `${writer}.int32(-1);`;
    }
    return [
      `if (${value} === null) { ${onNull} } else {`,
      ...this.notNull(writer, value, plan, isStruct),
      '}',
    ];
  }

  private notNull(writer: string, value: string, plan: FieldPlan, isStruct: boolean): string[] {
    const { type, flexible } = plan;
    if (typeof type === 'string') {
      const call = flexible ? `compact${type[0]!.toUpperCase()}${type.slice(1)}` : type;
      return [`H.${call}(${writer}, ${value});`];
    }
    if (isStruct) {
      const encode = this.structFunction((type as StructType).fields, plan.path);
      return [plan.nullable ? `${writer}.int8(1);` : '', `${encode}(${writer}, ${value});`];
    }
    const element = (type as { element: TypeRef }).element;
    const elementPlan: FieldPlan = { ...plan, type: element, options: {}, nullable: false, tag: undefined };
    const item = this.id('e');
    return [
      flexible ? `${writer}.uvarint(${value}.length + 1);` : `${writer}.int32(${value}.length);`,
      `for (let i = 0; i < ${value}.length; i++) {`,
      `const ${item} = ${value}[i];`,
      ...this.present(writer, item, elementPlan),
      '}',
    ];
  }

  /** An expression that is true when `variable` (not undefined) holds the field's default. */
  private isDefault(variable: string, type: TypeRef, options: FieldOptions): string {
    const value = defaultOf(type, options);
    if (value !== undefined) return `${variable} === ${literal(value)}`;
    if (typeof type === 'object' && 'fields' in type) return `${this.isDefaultFunction(type)}(${variable})`;
    return `(${variable} !== null && ${variable}.length === 0)`;
  }

  private isDefaultFunction(type: StructType): string {
    const name = this.id('isDefault');
    const tests = Object.entries(type.fields).map(([field, { type: fieldType, options }]) => {
      const access = `o[${JSON.stringify(field)}]`;
      return `(${access} === undefined || ${this.isDefault(access, fieldType, options)})`;
    });
    this.functions.push(`function ${name}(o) { return o !== null && ${tests.join(' && ')}; }`);
    return name;
  }
}

export function compileDecoder(message: Message, version: number): (reader: ByteReader) => unknown {
  return new DecoderCompiler(message, version).compile(message);
}

export function compileEncoder(
  message: Message,
  version: number,
): (writer: ByteWriter, value: unknown) => void {
  return new EncoderCompiler(message, version).compile(message);
}
