/** Text forms of bytes: base64, hexadecimal, GUIDs. */

import { RmsError } from "./errors.js";

const BASE64_TEXT = /^[A-Za-z0-9+/]*={0,2}$/;
const GUID_TEXT = /^\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?$/i;
// String.fromCharCode takes its bytes as arguments, and the number of arguments is limited.
const ARGUMENTS_AT_ONCE = 0x8000;

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += ARGUMENTS_AT_ONCE) {
    text += String.fromCharCode(...bytes.subarray(at, at + ARGUMENTS_AT_ONCE));
  }
  return btoa(text);
}

/**
 * Decodes standard base64; white space between the characters is allowed.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function fromBase64(text) {
  const compact = String(text).replace(/[ \t\r\n]+/g, "");
  if (compact.length % 4 !== 0 || !BASE64_TEXT.test(compact)) {
    throw new RmsError("bad-encoding", "not standard base64");
  }
  return Uint8Array.from(atob(compact), (character) => character.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} text
 * @returns {Uint8Array}
 */
export function fromHex(text) {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) {
    throw new RmsError("bad-encoding", "not hexadecimal");
  }
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/**
 * Brings `{GUID}`, `guid` and mixed case to one form: lower case, no braces.
 * @param {string} text
 * @returns {string}
 */
export function normalGuid(text) {
  const match = GUID_TEXT.exec(String(text).trim());
  if (!match) throw new RmsError("bad-encoding", "not a GUID");
  return match[1].toLowerCase();
}

/** @param {Uint8Array[]} parts */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 */
export function sameBytes(left, right) {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
