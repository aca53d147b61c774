import assert from "node:assert/strict";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";

import * as ciphers from "../../static/js/rms/ciphers.js";
import { fromBase64 } from "../../static/js/rms/encoding.js";
import { readPfile } from "../../static/js/rms/pfile.js";
import { knownKeyFiles, sample, samplesMissing } from "./samples.js";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** Mode CBC4K written down the slow way, with OpenSSL's ECB and CBC. */
function referenceEncrypt(key, plaintext) {
  const bits = key.length * 8;
  const output = [];
  for (let index = 0; index * 4096 <= plaintext.length; index += 1) {
    const counter = Buffer.alloc(16);
    counter.writeUInt32LE(index);
    const ecb = createCipheriv(`aes-${bits}-ecb`, key, null).setAutoPadding(false);
    const iv = Buffer.concat([ecb.update(counter), ecb.final()]);
    const block = plaintext.subarray(index * 4096, (index + 1) * 4096);
    const cbc = createCipheriv(`aes-${bits}-cbc`, key, iv).setAutoPadding(block.length < 4096);
    output.push(cbc.update(block), cbc.final());
  }
  return Buffer.concat(output);
}

const LENGTHS = [0, 16, 512, 4096, 2 * 4096, ciphers.PORTION].flatMap((edge) =>
  [edge - 1, edge, edge + 1].filter((length) => length >= 0),
);

describe("CBC4K", () => {
  for (const keySize of [16, 32]) {
    for (const length of LENGTHS) {
      it(`encrypts and decrypts ${length} bytes under a key of ${keySize} bytes`, async () => {
        const value = randomBytes(keySize);
        const plaintext = randomBytes(length);
        const key = await ciphers.importContentKey(value);
        const ciphertext = await collect(ciphers.encrypted(new Blob([plaintext]), key));
        assert.equal(ciphertext.length, ciphers.cipherLength(length));
        assert.equal(sha256(ciphertext), sha256(referenceEncrypt(value, plaintext)));
        const again = await collect(ciphers.decrypted(new Blob([ciphertext]), key, ciphers.CBC4K));
        assert.equal(sha256(again), sha256(plaintext));
      });
    }
  }

  it("refuses content whose padding is wrong", async () => {
    const key = await ciphers.importContentKey(randomBytes(32));
    const ciphertext = await collect(ciphers.encrypted(new Blob([randomBytes(100)]), key));
    // Flips a bit of the last padding byte without garbling its block.
    ciphertext[ciphertext.length - 17] ^= 0x40;
    await assert.rejects(collect(ciphers.decrypted(new Blob([ciphertext]), key, ciphers.CBC4K)), {
      code: "undecipherable",
    });
  });

  it("refuses to end a portion inside a block", async () => {
    const key = await ciphers.importContentKey(randomBytes(16));
    await assert.rejects(ciphers.encryptBlocks(key, new Uint8Array(4097), 0, false), { code: "bad-length" });
  });
});

describe("hostile input", () => {
  for (const [mode, length] of [
    [ciphers.CBC4K, 0],
    [ciphers.CBC4K, 17],
    [ciphers.CBC512, 0],
    [ciphers.CBC512, 15],
    [ciphers.ECB, 33],
  ]) {
    it(`refuses ${length} bytes of ${mode}`, async () => {
      const key = await ciphers.importContentKey(randomBytes(16));
      await assert.rejects(collect(ciphers.decrypted(new Blob([new Uint8Array(length)]), key, mode)), {
        code: "bad-length",
      });
    });
  }

  it("refuses a cipher mode it does not know", async () => {
    const key = await ciphers.importContentKey(randomBytes(16));
    for (const mode of ["AES.CTR", "constructor", "toString"]) {
      await assert.rejects(ciphers.decryptBlocks(key, mode, new Uint8Array(16), 0, true), { code: "unknown-cipher" });
    }
  });

  for (const length of [0, 15, 33]) {
    it(`refuses a key of ${length} bytes`, async () => {
      await assert.rejects(ciphers.importContentKey(new Uint8Array(length)), { code: "bad-key" });
    });
  }
});

describe("files of another client", { skip: samplesMissing }, () => {
  for (const entry of knownKeyFiles) {
    it(`decrypts ${entry.file}`, async () => {
      const file = await readPfile(await sample("known-key", entry.file));
      assert.equal(file.extension, entry.extension);
      const key = await ciphers.importContentKey(fromBase64(entry.content_key));
      const plaintext = await collect(ciphers.decrypted(file.content, key, entry.cipher_mode));
      assert.equal(plaintext.length, entry.length);
      assert.equal(sha256(plaintext), entry.sha256);
      if (entry.cipher_mode !== ciphers.CBC4K) return;
      const ciphertext = await collect(ciphers.encrypted(new Blob([plaintext]), key));
      assert.equal(sha256(ciphertext), sha256(Buffer.from(await file.content.arrayBuffer())));
    });
  }
});
