/** Encrypts a file and hashes the ciphertext, portion by portion. */

import { encrypted, importContentKey, PORTION } from "./rms/ciphers.js";
import { TreeHash } from "./rms/tree-hash.js";
import { serveTasks } from "./rms/work.js";

serveTasks(async ({ file, key }, progress) => {
  const contentKey = await importContentKey(key);
  const tree = new TreeHash();
  // Blobs, not arrays: the browser keeps them outside the script's memory, and on disk when they are many.
  const parts = [];
  let portions = 0;
  for await (const ciphertext of encrypted(file, contentKey)) {
    await tree.update(ciphertext);
    parts.push(new Blob([ciphertext]));
    portions += 1;
    progress(Math.min(portions * PORTION, file.size));
  }
  return { content: new Blob(parts), root: await tree.root() };
});
