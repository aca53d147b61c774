/**
 * The pfile container: reads 2.0 to 3.x, writes 3.0 (docs/formats/pfile.md).
 *
 * Everything in the header of a file we read was written by a stranger: no number is used before it has been
 * compared with the size of the file.
 */

import { RmsError } from "./errors.js";
import { safeExtension } from "./file-names.js";

export const MAX_LICENSE_LENGTH = 1024 * 1024;
const MAGIC = Uint8Array.from(".pfile", (character) => character.charCodeAt(0));
const PREFIX_LENGTH = MAGIC.length + 12;
const HEADER_LENGTH = { "2.0": 24, later: 40 };
const MAX_HEADER = 4096;
const MAX_CLEAR_TEXT = 64 * 1024;
const MAX_EXTENSION = 1024;
const MAX_METADATA = 1024 * 1024;
const UNKNOWN_SIZE = 0xffffffffffffffffn;

/** What somebody sees who opens the file in an editor; part of the file, the same in every client. */
export const DEFAULT_CLEAR_TEXT =
  "\r\n\r\nThis file is protected. Open it with an application that supports protected files,\r\n" +
  "for example with the address that its sender gave you, or with the command rightskeep.\r\n" +
  "Do not change this file in any way: that would make it unreadable.\r\n\r\n";

const damaged = (message) => new RmsError("damaged", message);

async function readAt(blob, offset, length) {
  if (offset + length > blob.size) throw damaged("a section reaches beyond the end of the file");
  return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
}

const readSection = async (blob, { offset, length }) => (length > 0 ? readAt(blob, offset, length) : new Uint8Array(0));

function readSections(view, withMetadata) {
  const sections = {
    extension: { offset: view.getUint32(4, true), length: view.getUint32(8, true) },
    license: { offset: view.getUint32(12, true), length: view.getUint32(16, true) },
    contentOffset: view.getUint32(20, true),
    originalSize: null,
    metadata: { offset: 0, length: 0 },
  };
  if (withMetadata) {
    const size = view.getBigUint64(24, true);
    // Larger than any file a browser can hold is as good as unknown.
    const isKnown = size !== 0n && size !== UNKNOWN_SIZE && size <= BigInt(Number.MAX_SAFE_INTEGER);
    sections.originalSize = isKnown ? Number(size) : null;
    sections.metadata = { offset: view.getUint32(32, true), length: view.getUint32(36, true) };
  }
  return sections;
}

/** Nothing may reach beyond the end, overlap, or lie behind the content. */
function checkSections(size, sections) {
  for (const { name, offset, length, atMost } of sections) {
    if (offset + length > size) throw damaged(`the ${name} reaches beyond the end of the file`);
    if (length > atMost) throw damaged(`the ${name} is too long`);
  }
  const taken = sections
    .filter(({ name, length }) => length > 0 || name === "content")
    .sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = 0;
  for (const { name, offset, length } of taken) {
    if (offset < end) throw damaged(`the ${name} overlaps what stands before it`);
    end = offset + length;
  }
  if (taken[taken.length - 1].name !== "content") throw damaged("something lies behind the content");
}

function readExtension(bytes) {
  const extension = safeExtension(new TextDecoder().decode(bytes).replace(/\0+$/, ""));
  // Other software writes ".pfile" for a file without extension.
  return extension.toLowerCase() === ".pfile" ? "" : extension;
}

/**
 * Reads everything but the content of a protected file.
 * @param {Blob} blob
 * @returns {Promise<{version: string, extension: string, license: Uint8Array, metadata: Uint8Array,
 *   contentOffset: number, content: Blob, originalSize: number|null, forcesCbc4k: boolean}>} `license` exactly as it stands
 * @throws {RmsError} not-protected, unsupported-version, damaged
 */
export async function readPfile(blob) {
  const magic = new Uint8Array(await blob.slice(0, MAGIC.length).arrayBuffer());
  if (magic.length < MAGIC.length || !MAGIC.every((byte, index) => byte === magic[index])) {
    throw new RmsError("not-protected", "no pfile magic");
  }
  const prefix = new DataView((await readAt(blob, 0, PREFIX_LENGTH)).buffer, MAGIC.length);
  const [major, minor, clearLength] = [0, 4, 8].map((at) => prefix.getUint32(at, true));
  if (major !== 2 && major !== 3) {
    throw new RmsError("unsupported-version", "unknown pfile version", { version: `${major}.${minor}` });
  }
  if (clearLength > MAX_CLEAR_TEXT) throw damaged("the text for people is too long");
  const withMetadata = major > 2 || minor > 0;
  const headerOffset = PREFIX_LENGTH + clearLength;
  const known = withMetadata ? HEADER_LENGTH.later : HEADER_LENGTH["2.0"];
  const header = new DataView((await readAt(blob, headerOffset, known)).buffer);
  const headerLength = header.getUint32(0, true);
  if (headerLength < known || headerLength > MAX_HEADER) throw damaged("the header has an impossible length");

  const { extension, license, metadata, contentOffset, originalSize } = readSections(header, withMetadata);
  checkSections(blob.size, [
    { name: "header", offset: 0, length: headerOffset + headerLength, atMost: blob.size },
    { name: "extension", ...extension, atMost: MAX_EXTENSION },
    { name: "license", ...license, atMost: MAX_LICENSE_LENGTH },
    { name: "metadata", ...metadata, atMost: MAX_METADATA },
    { name: "content", offset: contentOffset, length: Math.max(blob.size - contentOffset, 0), atMost: blob.size },
  ]);
  if (license.length === 0) throw damaged("there is no license");

  return {
    version: `${major}.${minor}`,
    extension: readExtension(await readSection(blob, extension)),
    license: await readSection(blob, license),
    metadata: await readSection(blob, metadata),
    contentOffset,
    content: blob.slice(contentOffset),
    originalSize,
    forcesCbc4k: major === 2,
  };
}

/**
 * Everything of a pfile 3.0 that stands before the content: header, extension, license, metadata.
 * @param {object} parts
 * @param {string} [parts.clearText]
 * @param {string} parts.extension of the original, with its dot; left out when unfit for a file name
 * @param {Uint8Array} parts.license exact bytes of the publishing license
 * @param {Uint8Array} parts.metadata
 * @param {number} parts.originalSize in bytes
 * @returns {Uint8Array}
 */
export function buildPfileHead({ clearText = DEFAULT_CLEAR_TEXT, extension, license, metadata, originalSize }) {
  const clear = new TextEncoder().encode(clearText);
  const suffix = new TextEncoder().encode(safeExtension(extension));
  const headerOffset = PREFIX_LENGTH + clear.length;
  const extensionOffset = headerOffset + HEADER_LENGTH.later;
  const licenseOffset = extensionOffset + suffix.length;
  const metadataOffset = licenseOffset + license.length;
  const contentOffset = metadataOffset + metadata.length;
  if (license.length === 0 || license.length > MAX_LICENSE_LENGTH || metadata.length > MAX_METADATA) {
    throw new RmsError("bad-length", "a part of the header has an impossible length");
  }

  const head = new Uint8Array(contentOffset);
  const view = new DataView(head.buffer);
  head.set(MAGIC, 0);
  [3, 0, clear.length].forEach((value, index) => view.setUint32(MAGIC.length + 4 * index, value, true));
  head.set(clear, PREFIX_LENGTH);
  [HEADER_LENGTH.later, extensionOffset, suffix.length, licenseOffset, license.length, contentOffset].forEach(
    (value, index) => view.setUint32(headerOffset + 4 * index, value, true),
  );
  view.setBigUint64(headerOffset + 24, BigInt(originalSize), true);
  view.setUint32(headerOffset + 32, metadataOffset, true);
  view.setUint32(headerOffset + 36, metadata.length, true);
  head.set(suffix, extensionOffset);
  head.set(license, licenseOffset);
  head.set(metadata, metadataOffset);
  return head;
}
