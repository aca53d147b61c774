/**
 * The signed integrity record in the metadata of a protected file (docs/formats/pfile.md).
 *
 * The content ciphers prove nothing, and every reader holds the content key. What proves that a document is as its
 * protector left it is the service's signature over a hash of the ciphertext.
 */

import { sameBytes, toHex } from "./encoding.js";
import { RmsError } from "./errors.js";
import { sha256 } from "./tree-hash.js";

/** Bytes of metadata reserved for a record. */
export const RECORD_SPACE = 2048;
export const UNALTERED = "unaltered";
export const ALTERED = "altered";
export const NO_RECORD = "no-record";

const LABEL = new TextEncoder().encode("rightskeep-seal-v1\0");
// Content id, content length, root, publisher id, publisher address, time, key fingerprint, signature.
const ITEM_LIMITS = [
  { exactly: 16 }, { exactly: 8 }, { exactly: 32 }, { exactly: 16 },
  { atMost: 4 * 254 }, { exactly: 8 }, { exactly: 32 }, { atMost: 1024 },
];
const MAX_ADDRESS = 254;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|[^\P{Zs} ]/u;
const LAST_SECOND = 253402300799n; // the end of the year 9999

const damaged = () => new RmsError("damaged-record", "the integrity record is damaged");

/** Whether this metadata section is meant to be an integrity record, sound or not. */
export const isRecord = (metadata) => sameBytes(metadata.subarray(0, LABEL.length), LABEL);

function readItems(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = LABEL.length;
  const items = ITEM_LIMITS.map(({ exactly, atMost }) => {
    if (at + 4 > data.length) throw damaged();
    const length = view.getUint32(at, true);
    if (exactly !== undefined ? length !== exactly : length === 0 || length > atMost) throw damaged();
    at += 4 + length;
    if (at > data.length) throw damaged();
    return data.subarray(at - length, at);
  });
  if (data.subarray(at).some((byte) => byte !== 0)) throw damaged();
  return { items, signedLength: at - items[items.length - 1].length - 4 };
}

const readGuid = (bytes) => toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
const readNumber = (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);

/**
 * Reads a record from a metadata section, zero bytes behind it allowed. Verifies nothing.
 * @param {Uint8Array} data
 * @throws {RmsError} damaged-record
 */
export function decodeRecord(data) {
  if (!isRecord(data)) throw damaged();
  const { items, signedLength } = readItems(data);
  const [contentId, length, root, publisherId, address, seconds, fingerprint, signature] = items;
  if (readNumber(seconds) > LAST_SECOND) throw damaged();
  let publisher;
  try {
    // A byte order mark is a character of the address here, as it is for every other reader.
    publisher = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(address);
  } catch {
    throw damaged();
  }
  if ([...publisher].length > MAX_ADDRESS || UNPRINTABLE.test(publisher)) throw damaged();
  return {
    contentId: readGuid(contentId),
    contentLength: readNumber(length),
    root,
    publisherId: readGuid(publisherId),
    publisher,
    sealedAt: new Date(Number(readNumber(seconds)) * 1000),
    fingerprint,
    signed: data.subarray(0, signedLength),
    signature,
  };
}

const base64Url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

async function isSignedBy(modulus, record) {
  const key = await crypto.subtle.importKey(
    "jwk",
    { kty: "RSA", n: base64Url(modulus), e: "AQAB" },
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    false,
    ["verify"],
  );
  return crypto.subtle.verify("RSASSA-PKCS1-v1_5", key, record.signature, record.signed);
}

async function recordHolds(record, license, root, length) {
  const modulus = license.modulus?.subarray(license.modulus.findIndex((byte) => byte !== 0));
  if (!modulus?.length) return false;
  return (
    record.contentId === license.contentId &&
    record.contentLength === BigInt(length) &&
    sameBytes(record.root, root) &&
    sameBytes(record.fingerprint, await sha256(modulus)) &&
    isSignedBy(modulus, record)
  );
}

/**
 * Judges content by its record, by the license, and by what the service has on record.
 * @param {object} facts
 * @param {Uint8Array} facts.metadata
 * @param {{contentId: string, isSealed: boolean, modulus: Uint8Array|null}} facts.license one the service accepted
 * @param {Uint8Array} facts.root tree hash of the ciphertext
 * @param {number} facts.length of the ciphertext
 * @param {string|null} facts.registeredRoot hexadecimal, from the service; null when it has none
 * @returns {Promise<{state: string, record: object|null}>} `record` only when unaltered
 */
export async function judge({ metadata, license, root, length, registeredRoot }) {
  const altered = { state: ALTERED, record: null };
  if (registeredRoot && registeredRoot.toLowerCase() !== toHex(root)) return altered;
  if (!isRecord(metadata)) return license.isSealed ? altered : { state: NO_RECORD, record: null };
  try {
    const record = decodeRecord(metadata);
    return (await recordHolds(record, license, root, length)) ? { state: UNALTERED, record } : altered;
  } catch (error) {
    if (error instanceof RmsError || error instanceof DOMException) return altered;
    throw error;
  }
}
