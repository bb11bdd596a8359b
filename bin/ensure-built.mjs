#!/usr/bin/env node
/*
 * Makes the project ready to run: installs its packages if they are missing or not those of package-lock.json, and
 * builds dist/ if it is missing or older than the sources. Needs nothing but Node and npm. `--dev` also wants the
 * packages for tests.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
/** Written after a build without errors. */
const stamp = join(dist, '.built');

/** @param {{ dev?: boolean }} [options] */
export function ensureBuilt({ dev = false } = {}) {
  const source = join(root, 'src');
  // A package from the registry brings dist/ and may lack what is needed to build it.
  const canBuild = existsSync(source) && existsSync(join(root, 'package-lock.json'));
  if (!canBuild) return;
  const build = !isBuilt(source);
  if (!isInstalled(build || dev)) {
    say('installing packages');
    run(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', '--no-fund', '--no-audit']);
  }
  if (build) {
    say('building');
    run(process.execPath, [compiler(), '-p', root]);
    removeLeftovers(source, dist);
    writeFileSync(stamp, '');
  }
}

/** Whether node_modules holds what package-lock.json says, as npm noted it there. Optional packages may lack. */
function isInstalled(withDev) {
  let installed;
  try {
    installed = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages;
  } catch {
    return false;
  }
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional, dev, devOptional, link }]) => {
    if (path === '' || optional || devOptional || link || (dev && !withDev)) return true;
    return installed[path]?.version === version;
  });
}

function isBuilt(source) {
  const built = statSync(stamp, { throwIfNoEntry: false });
  if (built === undefined) return false;
  return Math.max(newest(source), statSync(join(root, 'tsconfig.json')).mtimeMs) <= built.mtimeMs;
}

/** When a file under the directory, or one of its directories, was last changed. */
function newest(directory) {
  let latest = statSync(directory).mtimeMs;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}

/** Removes what was built from sources that are gone. */
function removeLeftovers(source, built) {
  for (const entry of readdirSync(built, { withFileTypes: true })) {
    const path = join(built, entry.name);
    if (entry.isDirectory()) {
      if (existsSync(join(source, entry.name))) removeLeftovers(join(source, entry.name), path);
      else rmSync(path, { recursive: true });
      continue;
    }
    const name = entry.name.replace(/(\.d\.ts|\.js)(\.map)?$/, '');
    if (name !== entry.name && !existsSync(join(source, `${name}.ts`))) rmSync(path);
  }
}

function compiler() {
  const directory = join(root, 'node_modules', 'typescript');
  const { bin } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  return join(directory, bin.tsc);
}

function run(command, args) {
  // What these print is not the output of the command that was asked for.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  say(`'${[command, ...args].join(' ')}' failed${error === undefined ? '' : `: ${error.message}`}`);
  process.exit(1);
}

function say(line) {
  process.stderr.write(`odradek: ${line}\n`);
}

if (process.argv[1] !== undefined && relative(process.argv[1], fileURLToPath(import.meta.url)) === '') {
  ensureBuilt({ dev: process.argv.includes('--dev') });
}
