import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { describe, it } from "node:test";

import { ALTERED, decodeRecord, judge, NO_RECORD, RECORD_SPACE, UNALTERED } from "../../static/js/rms/integrity.js";
import { toHex } from "../../static/js/rms/encoding.js";

const CONTENT_ID = "00112233-4455-6677-8899-aabbccddeeff";
const ROOT = new Uint8Array(32).fill(9);
const NO_METADATA = new Uint8Array(0);

const keyPair = () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { privateKey, modulus: new Uint8Array(Buffer.from(publicKey.export({ format: "jwk" }).n, "base64url")) };
};
const key = keyPair();
const license = { contentId: CONTENT_ID, isSealed: true, modulus: key.modulus };

const u64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

const item = (bytes) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** A record laid out by the format's description, padded to the space reserved for it. */
function record(changes = {}) {
  const fields = {
    contentId: Buffer.from(CONTENT_ID.replaceAll("-", ""), "hex"), length: u64(4096), root: Buffer.from(ROOT),
    publisherId: Buffer.alloc(16, 5), address: Buffer.from("alice@contoso.example"), seconds: u64(1_790_000_000),
    fingerprint: createHash("sha256").update(key.modulus).digest(), ...changes,
  };
  const signed = Buffer.concat([Buffer.from("rightskeep-seal-v1\0"), ...Object.values(fields).map(item)]);
  const signature = sign("sha256", signed, changes.signer ?? key.privateKey);
  const space = new Uint8Array(RECORD_SPACE);
  space.set(Buffer.concat([signed, item(signature)]));
  return space;
}

const judged = async (changes = {}) => {
  const facts = { metadata: record(), license, root: ROOT, length: 4096, registeredRoot: toHex(ROOT), ...changes };
  return (await judge(facts)).state;
};

describe("integrity record", () => {
  it("is read field by field", () => {
    const read = decodeRecord(record());
    assert.equal(read.contentId, CONTENT_ID);
    assert.equal(read.contentLength, 4096n);
    assert.equal(read.publisher, "alice@contoso.example");
    assert.equal(read.sealedAt.toISOString(), new Date(1_790_000_000_000).toISOString());
  });

  it("vouches for what it was made for, whether or not the service has the root", async () => {
    assert.equal(await judged(), UNALTERED);
    assert.equal(await judged({ registeredRoot: null }), UNALTERED);
    assert.equal(await judged({ registeredRoot: toHex(ROOT).toUpperCase() }), UNALTERED);
  });

  const otherRoot = new Uint8Array(32).fill(8);
  const changes = {
    "another content": { root: otherRoot },
    "another content, although the service knows no root": { root: otherRoot, registeredRoot: null },
    "another length": { length: 4112 },
    "another document": { license: { ...license, contentId: CONTENT_ID.replace("0", "1") } },
    "another key in the license": { license: { ...license, modulus: keyPair().modulus } },
    "no key in the license": { license: { ...license, modulus: null } },
    "another root on record with the service": { registeredRoot: toHex(otherRoot) },
    "no record, although the license promises one": { metadata: NO_METADATA },
    "an erased record, although the license promises one": { metadata: new Uint8Array(RECORD_SPACE) },
    "a record cut short": { metadata: record().subarray(0, 200) },
    "a wrong record in a file whose license promises none": { license: { ...license, isSealed: false }, length: 1 },
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`finds ${name} altered`, async () => assert.equal(await judged(change), ALTERED));
  }

  it("has nothing to say about files of other software", async () => {
    const theirs = { license: { ...license, isSealed: false }, registeredRoot: null };
    assert.equal(await judged({ ...theirs, metadata: NO_METADATA }), NO_RECORD);
    assert.equal(await judged({ ...theirs, metadata: new Uint8Array(1024).fill(1) }), NO_RECORD);
  });

  it("finds every flipped bit of the record altered", async () => {
    const whole = record();
    const used = whole.findLastIndex((byte) => byte !== 0) + 1;
    for (let at = 0; at < used; at += 1) {
      const metadata = Uint8Array.from(whole);
      metadata[at] ^= 1;
      assert.equal(await judged({ metadata }), ALTERED, `byte ${at}`);
    }
  });

  const misfits = {
    "a short id": { contentId: Buffer.alloc(15) }, "a long root": { root: Buffer.alloc(33) },
    "no address": { address: Buffer.alloc(0) }, "an endless address": { address: Buffer.alloc(255, 97) },
    "an address with a line break": { address: Buffer.from("a@x.example\n") },
    "an address that turns around": { address: Buffer.from("a\u202e@x.example") }, "an address that is no text": { address: Buffer.from([0xff, 0xfe]) }, "a time beyond time": { seconds: u64(2n ** 60n) },
  };
  for (const [name, change] of Object.entries(misfits)) {
    it(`refuses ${name}`, () => assert.throws(() => decodeRecord(record(change)), { code: "damaged-record" }));
  }

  it("refuses anything behind the record", () => {
    const metadata = record();
    metadata[RECORD_SPACE - 1] = 1;
    assert.throws(() => decodeRecord(metadata), { code: "damaged-record" });
  });
});
