/** The same known answers as tests/rms, so that both implementations write and read the same bytes. */

import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import * as ciphers from "../../static/js/rms/ciphers.js";
import { fromBase64, fromHex, toHex } from "../../static/js/rms/encoding.js";
import { ALTERED, decodeRecord, judge, NO_RECORD, UNALTERED } from "../../static/js/rms/integrity.js";
import { buildPfileHead, DEFAULT_CLEAR_TEXT, readPfile } from "../../static/js/rms/pfile.js";
import { treeHashOf } from "../../static/js/rms/tree-hash.js";
import { readLicense } from "../../static/js/rms/xrml.js";

const repository = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const vectors = (name) => JSON.parse(repository(`tests/rms/vectors/${name}.json`));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** The plaintext of every vector: SHA-256 of the numbers 0, 1, 2 … as little-endian u32, cut to size. */
function plaintext(size) {
  const digests = Array.from({ length: Math.ceil(size / 32) }, (_, number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(number);
    return createHash("sha256").update(bytes).digest();
  });
  return Buffer.concat(digests).subarray(0, size);
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** Ciphertext in the two modes that the pages never write, the slow way. */
function encryptUnpadded(mode, key, content) {
  const raw = (cipher, data) => Buffer.concat([cipher.setAutoPadding(false).update(data), cipher.final()]);
  const ecb = (data) => raw(createCipheriv(`aes-${key.length * 8}-ecb`, key, null), data);
  if (mode === ciphers.ECB) return ecb(content);
  const blocks = [];
  for (let at = 0; at < content.length; at += 512) {
    const counter = Buffer.alloc(16);
    counter.writeBigUInt64LE(BigInt(at));
    blocks.push(raw(createCipheriv(`aes-${key.length * 8}-cbc`, key, ecb(counter)), content.subarray(at, at + 512)));
  }
  return Buffer.concat(blocks);
}

describe("ciphers with known answers", () => {
  for (const { mode, key, size, length, sha256: expected } of vectors("cipher").ciphertexts) {
    it(`${mode}, key of ${key.length / 2} bytes, ${size} bytes`, async () => {
      const contentKey = await ciphers.importContentKey(fromHex(key));
      const content = plaintext(size);
      const ciphertext = mode === ciphers.CBC4K
        ? await collect(ciphers.encrypted(new Blob([content]), contentKey))
        : encryptUnpadded(mode, fromHex(key), content);
      assert.equal(ciphertext.length, length);
      assert.equal(sha256(ciphertext), expected);
      const again = await collect(ciphers.decrypted(new Blob([ciphertext]), contentKey, mode));
      assert.equal(sha256(again), sha256(content));
    });
  }
});

describe("seals with known answers", () => {
  const { trees, record } = vectors("seal");
  for (const { size, root } of trees) {
    it(`hashes ${size} bytes`, async () => assert.equal(toHex(await treeHashOf(new Blob([plaintext(size)]))), root));
  }

  it("reads the record, and believes it for its own document only", async () => {
    const metadata = fromBase64(record.record_base64);
    const read = decodeRecord(metadata);
    assert.equal(read.contentId, record.content_id);
    assert.equal(read.contentLength, BigInt(record.content_length));
    assert.equal(toHex(read.root), record.root);
    assert.equal(read.publisherId, record.publisher_id);
    assert.equal(read.publisher, record.publisher_address);
    assert.equal(read.sealedAt.getTime(), Date.parse(record.sealed_at));
    assert.equal(toHex(read.fingerprint), record.key_fingerprint);
    assert.equal(toHex(read.signed), record.signed_hex);
    assert.equal(toHex(read.signature), record.signature_hex);
    const license = { contentId: record.content_id, isSealed: true, modulus: fromHex(record.modulus_hex) };
    const facts = { metadata, license, root: fromHex(record.root), length: record.content_length, registeredRoot: null };
    assert.equal((await judge(facts)).state, UNALTERED);
    assert.equal((await judge({ ...facts, length: record.content_length + 16 })).state, ALTERED);
  });
});

describe("files with known answers", () => {
  const states = { unaltered: UNALTERED, altered: ALTERED, "no record": NO_RECORD };
  for (const expected of vectors("pfile").files) {
    const bytes = fromBase64(expected.file_base64);

    const judged = async (file) => {
      const license = readLicense(file.license);
      const root = await treeHashOf(file.content);
      return { root, ...(await judge({ metadata: file.metadata, license, root, length: file.content.size, registeredRoot: null })) };
    };

    it(`reads, judges and decrypts the one ${expected.name}`, async () => {
      const file = await readPfile(new Blob([bytes]));
      assert.equal(file.version, expected.version.join("."));
      assert.equal(file.extension, expected.extension);
      assert.equal(file.originalSize, expected.original_size);
      assert.equal(sha256(file.license), expected.license_sha256);
      assert.equal(file.metadata.length, expected.metadata_length);
      assert.equal(file.contentOffset, expected.content_offset);
      assert.equal(file.content.size, expected.content_length);
      const { root, state } = await judged(file);
      assert.equal(toHex(root), expected.root);
      assert.equal(state, states[expected.integrity]);
      const key = await ciphers.importContentKey(fromHex(expected.content_key.hex));
      const content = await collect(ciphers.decrypted(file.content, key, expected.content_key.mode));
      assert.equal(sha256(content), expected.plaintext_sha256);
    });

    it(`writes the one ${expected.name} byte by byte`, async () => {
      const file = await readPfile(new Blob([bytes]));
      const head = buildPfileHead({
        clearText: expected.clear_text, extension: expected.extension, license: file.license, metadata: file.metadata,
        originalSize: expected.original_size,
      });
      assert.deepEqual(head, bytes.subarray(0, expected.content_offset));
    });

    if (expected.integrity !== "unaltered") continue;
    it(`finds the one ${expected.name} altered wherever its content is changed, cut or stripped of its record`, async () => {
      const changed = [expected.content_offset, expected.content_offset + 777, bytes.length - 1].map((at) => {
        const copy = Uint8Array.from(bytes);
        copy[at] ^= 0x10;
        return copy;
      });
      const stripped = Uint8Array.from(bytes).fill(0, expected.metadata_offset, expected.content_offset);
      for (const file of [...changed, bytes.subarray(0, -16), Buffer.concat([bytes, Buffer.alloc(16)]), stripped]) {
        assert.equal((await judged(await readPfile(new Blob([file])))).state, ALTERED);
      }
    });
  }

  it("says the same to people who open a file in an editor", () => {
    const [, lines] = /DEFAULT_CLEAR_TEXT: Final = \(\n([\s\S]*?)\n\)/.exec(repository("rms/pfile.py"));
    assert.equal(lines.split("\n").map((line) => JSON.parse(line)).join(""), DEFAULT_CLEAR_TEXT);
  });
});
