/** What Apache Kafka says and what we say instead: the sentences of errors are our own, what they tell is the same. */
export interface SameMeaning {
  /** A part of the command line, where it is for some commands only. */
  readonly command?: string;
  /** What is found in the normalised output, and what it is taken for: both become the same. */
  readonly theirs: readonly [RegExp, string];
  readonly ours: readonly [RegExp, string];
}

const THEIR_FEATURE = 'The update failed for all features since the following feature had an error: ';

/** A sentence of which the parts in parentheses come in the same order. */
const meaning = (name: string, theirs: RegExp, ours: RegExp, parts = 0): SameMeaning => {
  const wanted = [name, ...Array.from({ length: parts }, (_, at) => `$${at + 1}`)].join(' ');
  return { theirs: [theirs, `<${wanted}>`], ours: [ours, `<${wanted}>`] };
};

export const SAME_MEANINGS: readonly SameMeaning[] = [
  {
    // Several features at once: which of them is refused first depends on the order of a hash table.
    command: '--release-version 3.',
    theirs: [new RegExp(`${THEIR_FEATURE}.*`, 'g'), '<refused>'],
    ours: [/no feature was changed, because of .*/g, '<refused>'],
  },
  {
    theirs: [
      new RegExp(
        `${THEIR_FEATURE}Invalid update version (\\d+) for feature (\\S+)\\. ` +
          'Local controller \\d+ only supports versions (\\d+)-(\\d+)',
        'g',
      ),
      '<$2 cannot be $1, only $3 to $4>',
    ],
    ours: [
      /no feature .* because of '(\S+)': level (\d+) is not possible: this controller supports (\d+) to (\d+)/g,
      '<$1 cannot be $2, only $3 to $4>',
    ],
  },
  meaning(
    'unknown feature',
    new RegExp(
      `${THEIR_FEATURE}Invalid .* for feature (\\S+)\\. Local controller \\d+ does not support this feature\\.`,
      'g',
    ),
    /no feature was changed, because of '(\S+)': there is no such feature/g,
    1,
  ),
  meaning(
    'no way down',
    new RegExp(
      `${THEIR_FEATURE}Invalid .* for feature (\\S+)\\. Can't downgrade the version of this feature\\.`,
      'g',
    ),
    /no feature was changed, because of '(\S+)': kraft\.version cannot go down from 1 to 0/g,
    1,
  ),
  meaning(
    'metadata would be lost, level',
    new RegExp(
      `${THEIR_FEATURE}Unsupported metadata\\.version downgrade from (\\d+) to \\d+\\. Refusing to .*`,
      'g',
    ),
    /no feature was changed, because of 'metadata\.version': metadata that came with level (\d+) .* would be lost/g,
    1,
  ),
  meaning('topic exists', /Topic '(\S+)' already exists\./g, /there is a topic '(\S+)' already/g, 1),
  meaning(
    'too many replicas',
    /Unable to replicate the partition (\d) time\(s\): .* only (\d) broker\(s\) are registered .*/g,
    /replication factor (\d) is out of reach: only (\d) broker\(s\) are registered .*/g,
    2,
  ),
  meaning(
    'characters of a name',
    /Topic name is invalid: '.*' contains one or more characters other than .*/g,
    /a topic name may hold only ASCII letters, digits, '\.', '_' and '-'/g,
  ),
  meaning(
    'no name',
    /Topic name is invalid: '(\.+)' is not allowed/g,
    /a topic may not be named '(\.+)'/g,
    1,
  ),
  meaning(
    'length of a name',
    /Topic name is invalid: the length of 'x+' is longer than the max allowed length (\d+)/g,
    /a topic name may have (\d+) characters, this one has \d+/g,
    1,
  ),
  meaning(
    'names collide',
    /Topic '(\S+)' collides with existing topic: (\S+)/g,
    /'(\S+)' collides with topic '(\S+)': '\.' and '_' are one in the names of metrics/g,
    2,
  ),
  meaning(
    'no such broker',
    /The manual partition assignment includes broker (\d+), but no such broker is registered\./g,
    /partition \d+: broker (\d+) is not registered/g,
    1,
  ),
  meaning(
    'no more partitions',
    /(?:Topic already has|The topic \S+ currently has) (\d+) partition\(s\)(?:; -?\d+ would not be an increase)?\./g,
    /topic '\S+' has (\d+) partition\(s\) already, -?\d+ would not be more/g,
    1,
  ),
  meaning(
    'new and assigned',
    /Attempted to add (\d+) additional partition\(s\), but only (\d+) assignment\(s\) were specified\./g,
    /(\d+) partition\(s\) are new, but (\d+) assignment\(s\) are given/g,
    2,
  ),
  meaning(
    'not registered',
    /Broker ID (\d+) is not currently registered/g,
    /broker (\d+) is not registered/g,
    1,
  ),
  meaning(
    'no such voter',
    /Cannot remove voter ReplicaKey\(id=(\d+), directoryId=<uuid>\) from the set of voters \[.*\]/g,
    /no voter has id (\d+) and directory id <uuid>/g,
    1,
  ),
  meaning(
    'a voter already',
    /The voter id for ReplicaKey\(id=(\d+), directoryId=<uuid>\) is already part of the set of voters \[.*\]\./g,
    /node (\d+) is a voter already: remove it first/g,
    1,
  ),
  meaning('no such topic', /No such topic as \S+/g, /there is no such topic/g),
  meaning('no such topic', /The topic '(\S+)' does not exist\./g, /there is no topic '(\S+)'/g, 1),
  meaning('no such partition', /No such partition as \S+/g, /there is no such partition/g),
  meaning(
    'preferred leader away',
    /The preferred leader was not available\./g,
    /broker \d+ is not in sync, or is not up: wait until it is/g,
  ),
  meaning(
    'no leader to be had',
    /Eligible topic partition leaders are not available\./g,
    /no replica is up: start one of its brokers/g,
  ),
  {
    // A broker that is unregistered leaves the eligible replicas here, because whoever comes with its id next may have
    // an empty disk. In Apache Kafka it stays eligible.
    command: '|after-unregister',
    theirs: [/(Isr: .*)Elr: (?:3 )?(LastKnownElr)/g, '$1Elr: <3 or none> $2'],
    ours: [/(Isr: .*)Elr: (LastKnownElr)/g, '$1Elr: <3 or none> $2'],
  },
];
