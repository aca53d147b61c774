import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { originalName, protectedName, safeExtension } from "../../static/js/rms/file-names.js";
import { buildPfileHead, DEFAULT_CLEAR_TEXT, readPfile } from "../../static/js/rms/pfile.js";
import { knownKeyFiles, sample, samplesMissing } from "./samples.js";

const LICENSE = new TextEncoder().encode("\ufeff<XrML/>");
const CONTENT = new Uint8Array(32).fill(7);
const HEADER = 18 + DEFAULT_CLEAR_TEXT.length;

const head = (parts = {}) =>
  buildPfileHead({
    extension: ".txt", license: LICENSE, metadata: new Uint8Array(64), originalSize: 20, ...parts,
  });

const file = (parts) => new Blob([head(parts), CONTENT]);

/** A sound file with one 32-bit number of it replaced. */
function patched(offset, value) {
  const bytes = head();
  new DataView(bytes.buffer).setUint32(offset, value, true);
  return new Blob([bytes, CONTENT]);
}

describe("container", () => {
  it("reads what it wrote", async () => {
    const read = await readPfile(file());
    assert.equal(read.version, "3.0");
    assert.equal(read.extension, ".txt");
    assert.equal(read.originalSize, 20);
    assert.deepEqual(read.license, LICENSE);
    assert.equal(read.metadata.length, 64);
    assert.deepEqual(new Uint8Array(await read.content.arrayBuffer()), CONTENT);
  });

  it("reads a file without extension, without metadata and without content", async () => {
    const read = await readPfile(new Blob([head({ extension: "", metadata: new Uint8Array(0) })]));
    assert.equal(read.extension, "");
    assert.equal(read.metadata.length, 0);
    assert.equal(read.content.size, 0);
  });

  it("takes the extension .pfile of other software for none", async () => {
    assert.equal((await readPfile(file({ extension: ".pfile" }))).extension, "");
  });

  it("leaves out an extension that is unfit for a file name", async () => {
    for (const extension of ["./../x", ". txt", ".\u202etxt", "txt", ".", `.${"x".repeat(33)}`]) {
      assert.equal((await readPfile(file({ extension }))).extension, "", JSON.stringify(extension));
    }
  });

  it("refuses to write without a license", () => {
    assert.throws(() => head({ license: new Uint8Array(0) }), { code: "bad-length" });
    assert.throws(() => head({ license: new Uint8Array(1024 * 1024 + 1) }), { code: "bad-length" });
  });
});

describe("hostile container", () => {
  it("refuses what is no protected file", async () => {
    for (const content of ["", ".pfil", "PK\u0003\u0004", "%PDF-1.7"]) {
      await assert.rejects(readPfile(new Blob([content])), { code: "not-protected" });
    }
  });

  it("refuses versions it does not know, naming them", async () => {
    for (const major of [0, 1, 4, 0xffffffff]) {
      await assert.rejects(readPfile(patched(6, major)), {
        code: "unsupported-version", details: { version: `${major}.0` },
      });
    }
  });

  it("refuses every truncation", async () => {
    const whole = file();
    for (let length = 6; length < whole.size - CONTENT.length; length += 1) {
      await assert.rejects(readPfile(whole.slice(0, length)), { code: "damaged" }, `cut to ${length} bytes`);
    }
  });

  const fields = {
    "length of the clear text": 14, "length of the header": HEADER, "offset of the extension": HEADER + 4,
    "length of the extension": HEADER + 8, "offset of the license": HEADER + 12, "length of the license": HEADER + 16,
    "offset of the content": HEADER + 20, "offset of the metadata": HEADER + 32, "length of the metadata": HEADER + 36,
  };
  for (const [name, offset] of Object.entries(fields)) {
    for (const value of [1, 0x7fffffff, 0xfffffff0, 0xffffffff]) {
      it(`refuses ${value} as ${name}`, async () => {
        // A license or metadata section cut short is a smaller, well-formed section.
        const isShorter = value === 1 && ["length of the license", "length of the metadata", "length of the extension"];
        if (isShorter && isShorter.includes(name)) {
          assert.equal((await readPfile(patched(offset, value))).version, "3.0");
        } else {
          await assert.rejects(readPfile(patched(offset, value)), { code: "damaged" });
        }
      });
    }
  }

  it("refuses a file without a license", async () => {
    await assert.rejects(readPfile(patched(HEADER + 16, 0)), { code: "damaged" });
  });

  it("never throws anything but its own errors on random damage", async () => {
    const bytes = head();
    for (let at = 0; at < bytes.length; at += 1) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] ^= 0x81;
      await readPfile(new Blob([damaged, CONTENT])).catch((error) => assert.equal(error.name, "RmsError"));
    }
  });
});

describe("files of other software", { skip: samplesMissing }, () => {
  const facts = [
    ["linuxTest.txt.pfile", { version: "3.0", licenseLength: 40552, contentLength: 16, metadataLength: 0, old: false }],
    ["CleanAlice.txt.pfile", { version: "3.0", licenseLength: 7930, contentLength: 32, metadataLength: 0, old: false }],
    ["mac_template_01.ptxt", { version: "2.0", licenseLength: 47960, contentLength: 8656, metadataLength: 0, old: true }],
    ["rmsSharingJohnTest.ptxt", { version: "2.1", licenseLength: 35503, contentLength: 32, metadataLength: 1024, old: true }],
  ];
  for (const [name, expected] of facts) {
    it(`reads ${name}`, async () => {
      const read = await readPfile(await sample(name));
      assert.equal(read.extension, ".txt");
      assert.deepEqual(
        {
          version: read.version, licenseLength: read.license.length, contentLength: read.content.size,
          metadataLength: read.metadata.length, old: read.forcesCbc4k,
        },
        expected,
      );
    });
  }

  it("reads every file with a known key", async () => {
    assert.equal(knownKeyFiles.length, 12);
    for (const entry of knownKeyFiles) assert.equal((await readPfile(await sample("known-key", entry.file))).extension, ".bin");
  });
});

describe("file names", () => {
  const pairs = {
    "a.txt": "a.ptxt", "Report.PDF": "Report.ppdf", "x.y.jpeg": "x.y.pjpeg", "plan.docx": "plan.docx.pfile",
    README: "README.pfile", ".txt": ".txt.pfile", "ends.": "ends..pfile", "dünn.png": "dünn.ppng",
  };
  for (const [name, expected] of Object.entries(pairs)) {
    it(`${name} becomes ${expected}`, () => assert.equal(protectedName(name), expected));
  }

  const back = [
    ["a.ptxt", ".txt", "a.txt"], ["a.ptxt", "", "a.txt"], ["plan.docx.pfile", ".docx", "plan.docx"],
    ["plan.pfile", ".docx", "plan.docx"], ["plan.docx.pfile", ".exe", "plan.docx"], ["a.ptxt", ".exe", "a.txt"], ["a.ppng", ".PNG", "a.PNG"],
    ["../../etc/x.pfile", "", "x"], ["..\\x.pfile", "", "x"], [".pfile", ".txt", "document.txt"],
    ["...pfile", "", "...pfile"], ["...pfile", ".exe", "...pfile.exe"], ["x.ppt", "", "x.ppt"], ["copy (1)", ".bin", "copy (1).bin"],
  ];
  for (const [name, extension, expected] of back) {
    it(`${name} with ${extension || "no extension"} holds ${expected}`, () =>
      assert.equal(originalName(name, extension), expected));
  }

  it("keeps harmless extensions only", () => {
    assert.equal(safeExtension(".tar"), ".tar");
    assert.equal(safeExtension(".a/b"), "");
    assert.equal(safeExtension(".\u202egpj"), "");
  });
});
