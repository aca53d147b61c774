import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { fromBase64, toHex } from "../../static/js/rms/encoding.js";
import { readPfile } from "../../static/js/rms/pfile.js";
import { sha256 } from "../../static/js/rms/tree-hash.js";
import { readLicense } from "../../static/js/rms/xrml.js";
import { sample, samplesMissing } from "./samples.js";

const GUID = "23090335-566a-4e3f-9ba8-544ca32e5998";
const work = `<WORK><OBJECT><ID type="MS-GUID">{${GUID}}</ID></OBJECT><METADATA><OWNER><OBJECT><NAME>a&amp;b@x.example</NAME></OBJECT></OWNER></METADATA></WORK>`;
const bytes = (text) => new TextEncoder().encode(text);
const license = (inside) => bytes(`\ufeff<?xml version="1.0"?><XrML version="1.2"><BODY type="x">${inside}</BODY><SIGNATURE/></XrML>`);
const mark = (id, name, text) => `<AUTHENTICATEDDATA id="${id}" name="${name}">${text}</AUTHENTICATEDDATA>`;

describe("license", () => {
  it("tells the content, the owner and the time", () => {
    const read = readLicense(license(`<ISSUEDTIME>2025-01-31T09:15</ISSUEDTIME>${work}`));
    assert.equal(read.contentId, GUID);
    assert.equal(read.owner, "a&b@x.example");
    assert.equal(read.issuedAt.toISOString(), "2025-01-31T09:15:00.000Z");
    assert.equal(read.isSealed, false);
  });

  it("is sealed only by the service's own mark", () => {
    assert.equal(readLicense(license(work + mark("RIGHTSKEEP", "Rightskeep.Sealed", "true"))).isSealed, true);
    for (const other of [
      mark("APPSPECIFIC", "Rightskeep.Sealed", "true"), mark("RIGHTSKEEP", "Sealed", "true"),
      mark("RIGHTSKEEP", "Rightskeep.Sealed", "false"),
      `<DESCRIPTOR>${mark("RIGHTSKEEP", "Rightskeep.Sealed", "true")}</DESCRIPTOR>`,
    ]) {
      assert.equal(readLicense(license(work + other)).isSealed, false, other);
    }
  });

  const hostile = {
    "nothing": "", "no body": "<XrML></XrML>", "text": "hello", "an open element": "<XrML><BODY><WORK></BODY></XrML>",
    "a comment": `<XrML><BODY>${work}<!-- --></BODY></XrML>`, "a section of characters": `<XrML><BODY>${work}<![CDATA[x]]></BODY></XrML>`,
    "an instruction": `<XrML><BODY>${work}<?x?></BODY></XrML>`, "no content id": "<XrML><BODY></BODY></XrML>",
    "deep nesting": `<XrML><BODY>${"<A>".repeat(1000)}${"</A>".repeat(1000)}${work}</BODY></XrML>`,
    "a broken tag": `<XrML><BODY><A b=c></A>${work}</BODY></XrML>`,
  };
  for (const [name, text] of Object.entries(hostile)) {
    it(`refuses ${name}`, () => assert.throws(() => readLicense(bytes(text)), { code: "bad-license" }));
  }

  it("refuses what is no text or too much of it", () => {
    assert.throws(() => readLicense(Uint8Array.of(0x3c, 0xff, 0xff)), { code: "bad-license" });
    assert.throws(() => readLicense(new Uint8Array(1024 * 1024 + 1).fill(0x20)), { code: "bad-license" });
  });

  it("reads UTF-16 and a NUL at the end", () => {
    const text = `<XrML><BODY>${work}</BODY></XrML>\0`;
    assert.equal(readLicense(new Uint8Array(Buffer.from(text, "utf16le"))).contentId, GUID);
    assert.equal(readLicense(bytes(text)).contentId, GUID);
  });
});

describe("licenses with known answers", () => {
  const vectors = JSON.parse(readFileSync(new URL("../rms/vectors/license.json", import.meta.url), "utf8"));
  for (const { name, license_base64: text, expected } of vectors.licenses) {
    it(`reads the one ${name}`, async () => {
      const read = readLicense(fromBase64(text));
      assert.equal(read.contentId, expected.content_id);
      assert.equal(read.isSealed, expected.sealed);
      assert.equal(read.owner, expected.owner_address);
      assert.equal(read.issuerName, expected.issuer_name);
      assert.equal(toHex(await sha256(read.modulus)), vectors.fingerprint);
      assert.equal(read.issuedAt.getTime(), new Date(expected.issued_at).getTime());
    });
  }
});

describe("licenses of other services", { skip: samplesMissing }, () => {
  const facts = [
    ["linuxTest.txt.pfile", "00fe5261-b420-4cd8-b0f3-5062efee4aa0", "admin@isvtenant999.onmicrosoft.com", 256],
    ["CleanAlice.txt.pfile", "1c5e0307-e03d-4de3-af21-81bcf961e73c", "alice@isvtenant999.onmicrosoft.com", 256],
    ["mac_template_01.ptxt", "22404a36-b5d4-4d51-8d02-a6c3d0bb98e8", "bob@isvtenant999.onmicrosoft.com", 256],
    ["rmsSharingJohnTest.ptxt", "4c486c28-2bd5-482f-80a3-d48127ea6669", "admuller@microsoft.com", 128],
  ];
  for (const [name, contentId, owner, keySize] of facts) {
    it(`reads that of ${name}`, async () => {
      const read = readLicense((await readPfile(await sample(name))).license);
      assert.deepEqual([read.contentId, read.owner, read.modulus.length, read.isSealed], [contentId, owner, keySize, false]);
    });
  }
});
