import type { Argv } from 'yargs';
import { BROKER_KEYS, isSensitiveBrokerKey, recognizeBrokerKey } from '../config/broker-keys.ts';
import {
  type ConfigReport,
  formatConfigMessage,
  formatSource,
  inspectKafkaConfig,
} from '../config/config-loader.ts';
import type { KeyStatus } from '../config/key-definition.ts';
import { BOOTSTRAP_OPTION, withAdmin } from './admin/with-admin.ts';
import { diffConfig } from './config-diff.ts';
import { configInput, OVERRIDE_OPTION, type ToolContext } from './tool-context.ts';

/** One key of a configuration, as `odradek config check` shows it. */
interface ConfigRow {
  readonly key: string;
  /** `null` for none. Secrets are hidden. */
  readonly value: string | null;
  readonly source: string;
  readonly status: KeyStatus['kind'] | 'unknown';
  /** Why it has no effect or is refused. */
  readonly reason: string | undefined;
  readonly documentation: string | undefined;
}

/**
 * `odradek config check FILE`: what the broker makes of a configuration; `odradek config diff`: what a running one has.
 * `done` gets the exit code.
 */
export function configCommand(yargs: Argv, context: ToolContext, done: (exitCode: number) => void): Argv {
  return yargs
    .command(
      'check <file>',
      'print every value, where it comes from and what it does',
      args =>
        args
          .positional('file', { type: 'string', demandOption: true, describe: 'The properties file' })
          .option('override', OVERRIDE_OPTION)
          .option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
      args => {
        const report = inspectKafkaConfig(configInput(context, args.file, args.override));
        if (args.json) context.print(JSON.stringify(reportAsJson(report), null, 2));
        else printReport(context, report);
        done(report.problems.length === 0 ? 0 : 1);
      },
    )
    .command(
      'diff',
      'show a file, the broker that runs with it and the cluster default side by side',
      args =>
        args
          .option('config', { type: 'string', demandOption: true, describe: 'The properties file' })
          .option('override', OVERRIDE_OPTION)
          .option('bootstrap-server', BOOTSTRAP_OPTION)
          .option('broker', { type: 'number', describe: 'The broker to ask, if not the node.id of the file' })
          .option('all', { type: 'boolean', default: false, describe: 'Show keys that are equal too' })
          .option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
      async args => {
        const { broker, all, json } = args;
        const report = inspectKafkaConfig(configInput(context, args.config, args.override));
        await withAdmin(context, args.bootstrapServer, admin =>
          diffConfig(context, admin, report, { broker, all, json }),
        );
        done(0);
      },
    )
    .demandCommand(1, 'a subcommand is needed: check or diff')
    .strict();
}

function rowsOf(report: ConfigReport): ConfigRow[] {
  const rows: ConfigRow[] = [];
  for (const [key, entry] of report.entries) {
    const definition = BROKER_KEYS.get(key);
    if (definition?.internal === true && entry.source.kind === 'default') continue;
    const recognized = recognizeBrokerKey(key);
    const status =
      recognized.kind === 'unknown'
        ? undefined
        : recognized.kind === 'other'
          ? recognized.status
          : recognized.definition.status;
    rows.push({
      key,
      value: entry.text !== null && isSensitiveBrokerKey(key) ? '(hidden)' : entry.text,
      source: formatSource(entry.source),
      status: status?.kind ?? 'unknown',
      reason: status === undefined || status.kind === 'supported' ? undefined : status.reason,
      documentation: definition?.documentation,
    });
  }
  return rows;
}

function reportAsJson(report: ConfigReport): unknown {
  return {
    valid: report.problems.length === 0,
    problems: report.problems.map(({ key, source, message }) => ({
      key,
      source: formatSource(source),
      message,
    })),
    warnings: report.warnings.map(({ key, source, message }) => ({
      key,
      source: formatSource(source),
      message,
    })),
    values: rowsOf(report),
  };
}

const VALUE_WIDTH_MAX = 44;

function printReport(context: ToolContext, report: ConfigReport): void {
  const rows = rowsOf(report);
  const shown = (value: string | null): string => {
    const text = value === null ? '(none)' : value === '' ? '(empty)' : value;
    return text.length > VALUE_WIDTH_MAX ? `${text.slice(0, VALUE_WIDTH_MAX - 3)}...` : text;
  };
  const width = (of: (row: ConfigRow) => string): number => Math.max(0, ...rows.map(row => of(row).length));
  const keyWidth = width(row => row.key);
  const valueWidth = width(row => shown(row.value));
  const sourceWidth = width(row => row.source);
  for (const row of rows) {
    const what =
      row.status === 'supported'
        ? (row.documentation ?? '')
        : `${statusWord(row)}${row.reason === undefined ? '' : `: ${row.reason}`}`;
    const cells = [
      row.key.padEnd(keyWidth),
      shown(row.value).padEnd(valueWidth),
      row.source.padEnd(sourceWidth),
      what,
    ];
    context.print(cells.join('  '));
  }
  context.print('');
  for (const warning of report.warnings) context.print(`warning: ${formatConfigMessage(warning)}`);
  for (const problem of report.problems) context.print(`error: ${formatConfigMessage(problem)}`);
  const { problems, warnings } = report;
  context.print(`${problems.length} errors, ${warnings.length} warnings`);
}

function statusWord(row: ConfigRow): string {
  if (row.status === 'no-effect') return 'no effect';
  // A refused key that keeps its default is in order.
  if (row.status === 'refused')
    return row.source === 'default' ? 'only the default' : 'refused unless it is the default';
  return row.status;
}
