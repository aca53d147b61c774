/**
 * The tree hash of a file's ciphertext: RFC 6962 hashing (section 2.1) over leaves of 1 MiB, SHA-256.
 */

import { concat } from "./encoding.js";

export const LEAF_SIZE = 1024 * 1024;
const LEAF_PREFIX = 0;
const NODE_PREFIX = Uint8Array.of(1);

/** @param {Uint8Array} bytes */
export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Takes bytes in pieces of any size; keeps 32 bytes for each leaf and at most one unfinished leaf. */
export class TreeHash {
  #leaves = [];
  // The prefix stands in front once and for all, so that a leaf is hashed without another copy.
  #pending = new Uint8Array(1 + LEAF_SIZE);
  #filled = 0;

  constructor() {
    this.#pending[0] = LEAF_PREFIX;
  }

  /** @param {Uint8Array} bytes */
  async update(bytes) {
    let rest = bytes;
    while (rest.length > 0) {
      const taken = rest.subarray(0, LEAF_SIZE - this.#filled);
      this.#pending.set(taken, 1 + this.#filled);
      this.#filled += taken.length;
      rest = rest.subarray(taken.length);
      if (this.#filled === LEAF_SIZE) await this.#closeLeaf();
    }
  }

  async #closeLeaf() {
    this.#leaves.push(await sha256(this.#pending.subarray(0, 1 + this.#filled)));
    this.#filled = 0;
  }

  /**
   * The root over everything given so far; the object takes no more bytes afterwards.
   * @returns {Promise<Uint8Array>} 32 bytes
   */
  async root() {
    if (this.#filled > 0) await this.#closeLeaf();
    let level = this.#leaves;
    if (level.length === 0) return sha256(new Uint8Array(0));
    while (level.length > 1) {
      const above = [];
      for (let index = 0; index + 1 < level.length; index += 2) {
        above.push(await sha256(concat(NODE_PREFIX, level[index], level[index + 1])));
      }
      // An odd node is promoted unchanged, which equals RFC 6962's split at a power of two.
      if (level.length % 2 === 1) above.push(level[level.length - 1]);
      level = above;
    }
    return level[0];
  }
}

/**
 * @param {Blob} blob
 * @param {(done: number) => void} [progress] called with the number of bytes hashed so far
 * @returns {Promise<Uint8Array>}
 */
export async function treeHashOf(blob, progress = () => {}) {
  const tree = new TreeHash();
  for (let offset = 0; offset < blob.size; offset += LEAF_SIZE) {
    await tree.update(new Uint8Array(await blob.slice(offset, offset + LEAF_SIZE).arrayBuffer()));
    progress(Math.min(offset + LEAF_SIZE, blob.size));
  }
  return tree.root();
}
