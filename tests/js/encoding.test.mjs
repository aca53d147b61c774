import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";

import * as encoding from "../../static/js/rms/encoding.js";
import { decodeText, kindOf } from "../../static/js/rms/viewer.js";

describe("base64", () => {
  it("agrees with the platform at every length and beyond what a call can carry", () => {
    for (const length of [0, 1, 2, 3, 4, 31, 0x8000, 0x8001, 300_000]) {
      const bytes = new Uint8Array(randomBytes(length));
      assert.equal(encoding.toBase64(bytes), Buffer.from(bytes).toString("base64"));
      assert.deepEqual(encoding.fromBase64(encoding.toBase64(bytes)), bytes);
    }
  });

  it("allows line breaks and refuses everything else", () => {
    assert.deepEqual(encoding.fromBase64("AAEC\r\n AwQF"), Uint8Array.of(0, 1, 2, 3, 4, 5));
    for (const text of ["A", "AA=A", "AA-_", "AAA", "====", "undefined "]) {
      assert.throws(() => encoding.fromBase64(text), { code: "bad-encoding" }, text);
    }
  });
});

describe("guids and hexadecimal", () => {
  it("come to one form", () => {
    const guid = "00112233-4455-6677-8899-aabbccddeeff";
    assert.equal(encoding.normalGuid(`{${guid.toUpperCase()}}`), guid);
    assert.throws(() => encoding.normalGuid("0011"), { code: "bad-encoding" });
    assert.deepEqual(encoding.fromHex("00ffA0"), Uint8Array.of(0, 255, 160));
    assert.throws(() => encoding.fromHex("0g"), { code: "bad-encoding" });
    assert.throws(() => encoding.fromHex("000"), { code: "bad-encoding" });
  });
});

describe("what a reader sees", () => {
  const bytes = (text, form) => new Uint8Array(Buffer.from(text, form));
  it("reads text in the encoding its bytes speak for", () => {
    assert.equal(decodeText(bytes("Grüße €", "utf8")), "Grüße €");
    assert.equal(decodeText(bytes("\ufeffGrüße", "utf16le")), "Grüße");
    assert.equal(decodeText(bytes("Grüße", "latin1")), "Grüße");
    assert.equal(decodeText(bytes("", "utf8")), "");
  });

  it("holds back a character cut in two, and keeps to UTF-8 in spite of a scar", () => {
    assert.equal(decodeText(bytes("Grüße €", "utf8").subarray(0, -1)), "Grüße ");
    assert.equal(decodeText(Uint8Array.of(...bytes("äöü", "utf8"), 0xff)), "äöü\ufffd");
  });

  it("knows a PDF by its name, whatever the rights", () => {
    assert.equal(kindOf("a.pdf"), "pdf");
    assert.equal(kindOf("a.PDF"), "pdf");
  });

  it("shows nothing that could run", () => {
    for (const name of ["a.svg", "a.exe", "a", "constructor", "a.constructor"]) assert.equal(kindOf(name), "other");
    // As text, never as a page.
    assert.equal(kindOf("a.html"), "text");
  });
});
