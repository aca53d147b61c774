import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";

import { toHex } from "../../static/js/rms/encoding.js";
import { LEAF_SIZE, TreeHash, treeHashOf } from "../../static/js/rms/tree-hash.js";

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const zeros = (length) => Buffer.alloc(length);

/** MTH of RFC 6962 section 2.1, recursively, as it is printed there. */
function merkleTreeHash(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), merkleTreeHash(leaves.slice(0, split)), merkleTreeHash(leaves.slice(split)));
}

function leavesOf(bytes) {
  const leaves = [];
  for (let at = 0; at < bytes.length; at += LEAF_SIZE) leaves.push(bytes.subarray(at, at + LEAF_SIZE));
  return leaves;
}

describe("tree hash", () => {
  for (const count of [0, 1, 2, 3, 4, 5, 6, 7, 11]) {
    for (const extra of [0, 5]) {
      it(`equals RFC 6962 over ${count} leaves and ${extra} bytes`, async () => {
        const bytes = zeros(count * LEAF_SIZE + extra);
        for (let leaf = 0; leaf * LEAF_SIZE < bytes.length; leaf += 1) bytes[leaf * LEAF_SIZE] = leaf + 1;
        const root = await treeHashOf(new Blob([bytes]));
        assert.equal(toHex(root), merkleTreeHash(leavesOf(bytes)).toString("hex"));
      });
    }
  }

  it("does not depend on how the bytes are cut", async () => {
    const bytes = zeros(2 * LEAF_SIZE + 77).fill(3);
    const tree = new TreeHash();
    for (let at = 0; at < bytes.length; at += 700_001) await tree.update(bytes.subarray(at, at + 700_001));
    assert.deepEqual(await tree.root(), await treeHashOf(new Blob([bytes])));
  });

  it("reports how far it is", async () => {
    const seen = [];
    await treeHashOf(new Blob([zeros(LEAF_SIZE + 10)]), (done) => seen.push(done));
    assert.deepEqual(seen, [LEAF_SIZE, LEAF_SIZE + 10]);
  });
});
