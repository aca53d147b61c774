/**
 * The content ciphers of protected files, on WebCrypto.
 *
 * WebCrypto offers AES-CBC with PKCS#7 padding and no ECB, so both are made from CBC:
 *
 * - Encryption: one call per block over `counter ‖ plaintext` with an all-zero IV. The first ciphertext
 *   block is then AES(counter), which is exactly the IV the format asks for, and it is already chained
 *   into the plaintext behind it.
 * - Decryption: one call over `IV ‖ block ‖ IV ‖ block …`; what each IV decrypts to is dropped. A last
 *   block that decrypts to sixteen bytes 0x10 satisfies the padding check WebCrypto insists on.
 */

import { RmsError } from "./errors.js";
import { concat } from "./encoding.js";

export const CBC4K = "MICROSOFT.CBC4K";
export const CBC512 = "MICROSOFT.CBC512.NOPADDING";
export const ECB = "MICROSOFT.ECB";

const AES_BLOCK = 16;
const ZERO_IV = new Uint8Array(AES_BLOCK);
const KEY_SIZES = [16, 24, 32];
/** Bytes read, ciphered and handed on at a time: a multiple of every mode's block. */
export const PORTION = 4 * 1024 * 1024;
// Calls in flight at once; more only grows the memory waiting for WebCrypto.
const CALLS_AT_ONCE = 256;

const CHAINED_MODES = {
  [CBC4K]: { blockSize: 4096, writeCounter: (view, index) => view.setUint32(0, index, true) },
  [CBC512]: {
    blockSize: 512,
    writeCounter: (view, index) => view.setBigUint64(0, BigInt(index) * 512n, true),
  },
};

/**
 * @param {Uint8Array} value 16, 24 or 32 bytes
 * @returns {Promise<CryptoKey>} not extractable
 */
export async function importContentKey(value) {
  if (!KEY_SIZES.includes(value.length)) throw new RmsError("bad-key", "content key of an unknown size");
  return crypto.subtle.importKey("raw", value, "AES-CBC", false, ["encrypt", "decrypt"]);
}

/**
 * The length of the ciphertext of `size` bytes in mode CBC4K.
 * @param {number} size
 */
export function cipherLength(size) {
  return (Math.floor(size / AES_BLOCK) + 1) * AES_BLOCK;
}

async function cbcEncrypt(key, data, iv = ZERO_IV) {
  return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, data));
}

/** Runs `work(index)` for 0..count-1, a limited number at a time. */
async function inGroups(count, work) {
  for (let start = 0; start < count; start += CALLS_AT_ONCE) {
    const end = Math.min(start + CALLS_AT_ONCE, count);
    await Promise.all(Array.from({ length: end - start }, (_, offset) => work(start + offset)));
  }
}

/**
 * Encrypts consecutive CBC4K blocks.
 * @param {CryptoKey} key
 * @param {Uint8Array} plaintext whole blocks, or anything when `final`
 * @param {number} firstBlock number of the block `plaintext` begins with
 * @param {boolean} final whether the document ends here: pads the tail, a block of its own
 * @returns {Promise<Uint8Array>}
 */
export async function encryptBlocks(key, plaintext, firstBlock, final) {
  const { blockSize, writeCounter } = CHAINED_MODES[CBC4K];
  const whole = Math.floor(plaintext.length / blockSize);
  if (!final && whole * blockSize !== plaintext.length) {
    throw new RmsError("bad-length", "only the last portion may end inside a block");
  }
  const output = new Uint8Array(final ? cipherLength(plaintext.length) : plaintext.length);
  await inGroups(final ? whole + 1 : whole, async (index) => {
    const block = plaintext.subarray(index * blockSize, (index + 1) * blockSize);
    const input = new Uint8Array(AES_BLOCK + block.length);
    writeCounter(new DataView(input.buffer), firstBlock + index);
    input.set(block, AES_BLOCK);
    const sealed = await cbcEncrypt(key, input);
    // A whole block goes without the padding WebCrypto added; the tail keeps it.
    output.set(sealed.subarray(AES_BLOCK, index < whole ? AES_BLOCK + blockSize : undefined), index * blockSize);
  });
  return output;
}

/** CBC decryption of `data` (first AES block included, chained to `iv`) without any padding. */
async function cbcDecryptRaw(key, data, iv = ZERO_IV) {
  const paddingBlock = await cbcEncrypt(key, new Uint8Array(0), data.subarray(data.length - AES_BLOCK));
  const joined = concat(data, paddingBlock.subarray(0, AES_BLOCK));
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, joined));
}

async function decryptChained(key, { blockSize, writeCounter }, ciphertext, firstBlock) {
  const count = Math.ceil(ciphertext.length / blockSize);
  const interleaved = new Uint8Array(ciphertext.length + count * AES_BLOCK);
  await inGroups(count, async (index) => {
    const counter = new Uint8Array(AES_BLOCK);
    writeCounter(new DataView(counter.buffer), firstBlock + index);
    const iv = (await cbcEncrypt(key, counter)).subarray(0, AES_BLOCK);
    const at = index * (blockSize + AES_BLOCK);
    interleaved.set(iv, at);
    interleaved.set(ciphertext.subarray(index * blockSize, (index + 1) * blockSize), at + AES_BLOCK);
  });
  const mixed = await cbcDecryptRaw(key, interleaved);
  const plaintext = new Uint8Array(ciphertext.length);
  for (let index = 0; index < count; index += 1) {
    const at = index * (blockSize + AES_BLOCK) + AES_BLOCK;
    plaintext.set(mixed.subarray(at, at + blockSize), index * blockSize);
  }
  return plaintext;
}

async function decryptUnchained(key, ciphertext) {
  const plaintext = await cbcDecryptRaw(key, ciphertext);
  for (let at = AES_BLOCK; at < plaintext.length; at += 1) plaintext[at] ^= ciphertext[at - AES_BLOCK];
  return plaintext;
}

/** Removes PKCS#7 padding; a wrong one means a wrong key or altered content. */
function withoutPadding(plaintext) {
  const count = plaintext[plaintext.length - 1];
  const padding = plaintext.subarray(plaintext.length - count);
  if (count < 1 || count > AES_BLOCK || !padding.every((byte) => byte === count)) {
    throw new RmsError("undecipherable", "padding is wrong");
  }
  return plaintext.subarray(0, plaintext.length - count);
}

/**
 * Decrypts a portion that begins at a block border of its mode.
 * @param {CryptoKey} key
 * @param {string} mode
 * @param {Uint8Array} ciphertext
 * @param {number} offset where the portion begins in the content, in bytes
 * @param {boolean} final whether the content ends here
 * @returns {Promise<Uint8Array>}
 */
export async function decryptBlocks(key, mode, ciphertext, offset, final) {
  if (ciphertext.length === 0 || ciphertext.length % AES_BLOCK !== 0) {
    throw new RmsError("bad-length", "ciphertext is not a whole number of AES blocks");
  }
  if (mode === ECB) return decryptUnchained(key, ciphertext);
  const chained = Object.hasOwn(CHAINED_MODES, mode) ? CHAINED_MODES[mode] : null;
  if (!chained) throw new RmsError("unknown-cipher", "unknown cipher mode");
  if (offset % chained.blockSize !== 0) throw new RmsError("bad-length", "portion begins inside a block");
  const plaintext = await decryptChained(key, chained, ciphertext, offset / chained.blockSize);
  return final && mode === CBC4K ? withoutPadding(plaintext) : plaintext;
}

/** @returns {AsyncGenerator<{bytes: Uint8Array, offset: number, final: boolean}>} at least one portion */
async function* portions(blob) {
  let offset = 0;
  do {
    const end = Math.min(offset + PORTION, blob.size);
    const bytes = new Uint8Array(await blob.slice(offset, end).arrayBuffer());
    if (bytes.length !== end - offset) throw new RmsError("unreadable", "the file changed while it was read");
    yield { bytes, offset, final: end === blob.size };
    offset = end;
  } while (offset < blob.size);
}

/**
 * Encrypts a whole file in mode CBC4K, holding one portion at a time.
 * @param {Blob} blob
 * @param {CryptoKey} key
 * @returns {AsyncGenerator<Uint8Array>}
 */
export async function* encrypted(blob, key) {
  const { blockSize } = CHAINED_MODES[CBC4K];
  for await (const { bytes, offset, final } of portions(blob)) {
    yield await encryptBlocks(key, bytes, offset / blockSize, final);
  }
}

/**
 * Decrypts a whole content, holding one portion at a time.
 * @param {Blob} blob the content section
 * @param {CryptoKey} key
 * @param {string} mode
 * @returns {AsyncGenerator<Uint8Array>}
 */
export async function* decrypted(blob, key, mode) {
  if (blob.size === 0 && mode === ECB) return;
  for await (const { bytes, offset, final } of portions(blob)) {
    yield await decryptBlocks(key, mode, bytes, offset, final);
  }
}
