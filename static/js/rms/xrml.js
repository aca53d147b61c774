/**
 * Light reading of a publishing license: what a page shows before and after the service has decided.
 *
 * Nothing is verified here. The service verifies the license before it answers, so what is read counts only once
 * the service has granted access for exactly these bytes.
 */

import { fromBase64, normalGuid } from "./encoding.js";
import { RmsError } from "./errors.js";
import { MAX_LICENSE_LENGTH } from "./pfile.js";

const MAX_DEPTH = 32;
const TAG = /<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const ATTRIBUTE = /([\w.:-]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/g;
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));/g;
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
// How the service marks, under its signature, that an integrity record belongs to the file.
const SEALED = { id: "RIGHTSKEEP", name: "Rightskeep.Sealed", text: "true" };

const unreadable = (message) => new RmsError("bad-license", message);

function decodeLicense(bytes) {
  if (bytes.length > MAX_LICENSE_LENGTH) throw unreadable("larger than 1 MiB");
  const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] !== 0 && bytes[1] === 0);
  try {
    const text = new TextDecoder(isWide ? "utf-16le" : "utf-8", { fatal: true }).decode(bytes);
    return text.replace(/\0+$/, "");
  } catch {
    throw unreadable("not Unicode text");
  }
}

function plain(text) {
  return text.replace(REFERENCE, (whole, decimal, hexadecimal, name) => {
    if (name) return NAMED[name];
    const code = decimal ? parseInt(decimal, 10) : parseInt(hexadecimal, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}

function attributesOf(text) {
  const attributes = new Map();
  for (const [, name, double, single] of text.matchAll(ATTRIBUTE)) attributes.set(name, plain(double ?? single));
  return attributes;
}

/** Parses elements, attributes and text; there is nothing else in a license. */
function parseElements(text) {
  const root = { tag: "", attributes: new Map(), children: [], text: "" };
  const open = [root];
  let at = 0;
  while (at < text.length) {
    const next = text.indexOf("<", at);
    const end = next < 0 ? text.length : next;
    open[open.length - 1].text += plain(text.slice(at, end));
    if (next < 0) break;
    TAG.lastIndex = next;
    const match = TAG.exec(text);
    if (!match) throw unreadable("markup that is no element");
    at = TAG.lastIndex;
    const [, closes, tag, attributeText, empty] = match;
    if (closes) {
      if (open.length < 2 || open.pop().tag !== tag) throw unreadable("elements do not nest");
      continue;
    }
    const element = { tag, attributes: attributesOf(attributeText), children: [], text: "" };
    open[open.length - 1].children.push(element);
    if (!empty) open.push(element);
    if (open.length > MAX_DEPTH) throw unreadable("nested too deeply");
  }
  if (open.length !== 1) throw unreadable("an element does not end");
  return root;
}

function find(element, ...path) {
  return path.reduce((found, tag) => found?.children.find((child) => child.tag === tag), element);
}

const textAt = (element, ...path) => find(element, ...path)?.text.trim() ?? "";

function readModulus(body) {
  const parameter = find(body, "ISSUER", "PUBLICKEY")?.children.find(
    (child) => child.tag === "PARAMETER" && child.attributes.get("name") === "modulus",
  );
  const value = find(parameter, "VALUE");
  // Little-endian in a license, big-endian everywhere else.
  return value ? fromBase64(value.text).reverse() : null;
}

function readContentId(body) {
  try {
    return normalGuid(textAt(body, "WORK", "OBJECT", "ID"));
  } catch {
    throw unreadable("no content id");
  }
}

/** `YYYY-MM-DDTHH:MM`, with or without seconds, always UTC. */
function readTime(text) {
  const match = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?)Z?$/.exec(text);
  const time = match ? new Date(`${match[1]}Z`) : null;
  return time && !Number.isNaN(time.getTime()) ? time : null;
}

/**
 * @param {Uint8Array} bytes a publishing license, alone or with the certificates behind it
 * @returns {{contentId: string, owner: string, issuerName: string, issuedAt: Date|null, isSealed: boolean,
 *   modulus: Uint8Array|null}} `modulus` is big-endian
 * @throws {RmsError} bad-license
 */
export function readLicense(bytes) {
  const text = decodeLicense(bytes);
  const end = text.indexOf("</XrML>");
  const leaf = text.slice(0, end < 0 ? text.length : end);
  const start = leaf.indexOf("<BODY");
  const stop = leaf.indexOf("</BODY>");
  if (start < 0 || stop < start) throw unreadable("no body");
  const body = find(parseElements(leaf.slice(start, stop + "</BODY>".length)), "BODY");
  return {
    contentId: readContentId(body),
    owner: textAt(body, "WORK", "METADATA", "OWNER", "OBJECT", "NAME"),
    issuerName: textAt(body, "ISSUER", "OBJECT", "NAME"),
    issuedAt: readTime(textAt(body, "ISSUEDTIME")),
    modulus: readModulus(body),
    isSealed: body.children.some(
      (child) =>
        child.tag === "AUTHENTICATEDDATA" &&
        child.attributes.get("id") === SEALED.id &&
        child.attributes.get("name") === SEALED.name &&
        child.text === SEALED.text,
    ),
  };
}
