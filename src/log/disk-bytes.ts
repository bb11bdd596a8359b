import type { DiskFile } from '../runtime/runtime.ts';
import type { FileHandleCache, LogFile } from './file-handle-cache.ts';

/** Reads up to `length` bytes at `position`, fewer only at the end of the file. */
function readUpTo(handle: DiskFile, target: Buffer, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const count = handle.readSync(target, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Whole reads of the log's files. */
export const DiskBytes = {
  /** The content of a small file; opened for this alone if it is not open. */
  readWhole(handles: FileHandleCache, file: LogFile): Buffer {
    return handles.disk.readFileSync(file.path);
  },

  readUpTo,

  async readUpToAsync(handle: DiskFile, target: Buffer, length: number, position: number): Promise<number> {
    let done = 0;
    while (done < length) {
      const count = await handle.read(target, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  },
};
