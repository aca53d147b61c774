/** Hashes or decrypts the content of a protected file, portion by portion. */

import { decrypted, importContentKey } from "./rms/ciphers.js";
import { serveTasks } from "./rms/work.js";
import { treeHashOf } from "./rms/tree-hash.js";

async function decrypt({ content, key, mode }, progress) {
  const contentKey = await importContentKey(key);
  const parts = [];
  let done = 0;
  for await (const plaintext of decrypted(content, contentKey, mode)) {
    parts.push(new Blob([plaintext]));
    done += plaintext.length;
    progress(done);
  }
  return { plaintext: new Blob(parts) };
}

serveTasks(async (task, progress) =>
  task.kind === "hash" ? { root: await treeHashOf(task.content, progress) } : decrypt(task, progress),
);
