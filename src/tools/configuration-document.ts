import { BROKER_KEY_GROUPS, brokerKeyFallbacks } from '../config/broker-keys.ts';
import type { KeyDefinition } from '../config/key-definition.ts';
import { TOPIC_KEYS } from '../config/topic-keys.ts';

/** `docs/CONFIGURATION.md`, printed from the definitions of the keys. */
export function configurationDocument(): string {
  const groups = BROKER_KEY_GROUPS.map(({ title, keys }) => ({
    title,
    keys: keys.filter(key => !key.internal),
  }));
  const all = groups.flatMap(group => group.keys);
  const count = (kind: string): number => all.filter(key => key.status.kind === kind).length;
  const topicKeys = [...TOPIC_KEYS.values()].filter(key => !key.internal);
  return [
    '# Configuration',
    '',
    'This page is printed from the code by `npm run docs`.',
    '',
    'A node is configured by a properties file with the keys of Apache Kafka 4.3, with the same defaults and units, and by',
    '`--override key=value` on the command line, which counts more than the file. A relative directory is relative to where',
    'the server is started. Each key is one of these:',
    '',
    `- **supported** (${count('supported')} keys): it does what it says.`,
    `- **no effect** (${count('no-effect')} keys): it is read and checked, and nothing depends on it. Where it is set, the start`,
    '  logs a warning with the reason.',
    `- **default only** (${count('refused')} keys): another value than the default does not start, because it asks for something`,
    '  that this version does not do.',
    '',
    'An unknown key, a value of the wrong form, and keys that contradict each other do not start either: each is reported',
    'with its file and line before anything is written, and the exit code is 1. `odradek config check FILE` prints every',
    'value of a configuration, where it comes from and what it does; with `--json` for programs.',
    '',
    'Keys that Apache Kafka had before 4.0 (`zookeeper.connect`, `log.message.format.version`, ...) are passed over with a',
    'warning. `listener.name.<listener>.<key>` is recognised; where the key has an effect it is refused, as this version has',
    'no values for a single listener.',
    '',
    'Apache Kafka does not have `log.durability`, `log.dirs.min.free.bytes`, `broker.crash.detection.enable`,',
    '`create.topic.policy` and `alter.config.policy`.',
    '',
    '## Keys of the server',
    ...groups.flatMap(({ title, keys }) => ['', `### ${title}`, '', ...table(keys, brokerRow)]),
    '',
    '## Keys of topics',
    '',
    "A topic has values of its own where they were given when it was created or later; else the server's key counts.",
    '',
    '| key | type | default | key of the server | what it does |',
    '|---|---|---|---|---|',
    ...topicKeys.map(key => {
      const synonyms =
        key.brokerKey === undefined ? [] : brokerKeyFallbacks(key.brokerKey).map(each => `\`${each.key}\``);
      return `| \`${key.name}\` | ${key.type} | ${defaultCell(key)} | ${synonyms.join(', ')} | ${whatItDoes(key)} |`;
    }),
    '',
  ].join('\n');
}

function table(keys: readonly KeyDefinition[], row: (key: KeyDefinition) => string): string[] {
  return ['| key | type | default | what it does |', '|---|---|---|---|', ...keys.map(row)];
}

function brokerRow(key: KeyDefinition): string {
  return `| \`${key.name}\` | ${key.type} | ${defaultCell(key)} | ${whatItDoes(key)} |`;
}

function defaultCell(key: KeyDefinition): string {
  if (key.defaultText === undefined) return '(must be given)';
  if (key.defaultText === null) return '';
  return key.defaultText === '' ? '(empty)' : `\`${key.defaultText}\``;
}

function whatItDoes(key: KeyDefinition): string {
  const allowed = key.validator === undefined ? '' : ` Allowed: ${key.validator.allowed}.`;
  return `${key.documentation}${allowed}${statusSentence(key)}`.replaceAll('|', '\\|');
}

function statusSentence({ status }: KeyDefinition): string {
  switch (status.kind) {
    case 'supported':
      return '';
    case 'no-effect':
      return ` **No effect**: ${status.reason}.`;
    case 'refused':
      return ` **Default only**: ${status.reason}.`;
  }
}
