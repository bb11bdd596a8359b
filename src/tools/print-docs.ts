import { resolve } from 'node:path';
import { NodeRuntime } from '../runtime/node/node-runtime.ts';
import { protocolDocument } from '../server/print-protocol.ts';
import { configurationDocument } from './configuration-document.ts';

/* Prints the documents that come from the code into a directory: `node dist/tools/print-docs.js docs`. */

const { disk } = new NodeRuntime();
const directory = resolve(process.argv[2] ?? 'docs');
disk.makeDirectorySync(directory);
disk.replaceFileSync(resolve(directory, 'CONFIGURATION.md'), Buffer.from(configurationDocument()));
disk.replaceFileSync(resolve(directory, 'PROTOCOL.md'), Buffer.from(protocolDocument()));
