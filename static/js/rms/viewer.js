/**
 * Shows a decrypted document within the rights of the reader.
 *
 * What a page can do about copying and printing is what a well-behaved client does, and no more: the page says so.
 */

import { implies } from "./rights.js";
import { splitName } from "./file-names.js";
import { part, view } from "./page.js";
import { PdfView } from "./pdf-view.js";
import { sizeText, text } from "./texts.js";

/** More text than this makes a page slow; the rest is in the copy, for those who may have one. */
const SHOWN_TEXT = 2 * 1024 * 1024;
const TEXT_EXTENSIONS = new Set(
  ".txt .xml .csv .tsv .json .md .rst .log .ini .cfg .conf .toml .yml .yaml .eml .ics .vcf .html .htm .css .js .py .sh .sql .tex".split(" "),
);
// SVG is left out: shown on its own it is a page with scripts.
const IMAGE_TYPES = {
  ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jpe": "image/jpeg", ".jfif": "image/jpeg",
  ".gif": "image/gif", ".webp": "image/webp", ".bmp": "image/bmp", ".avif": "image/avif",
};
const GUARDED_EVENTS = ["copy", "cut", "dragstart", "contextmenu"];

/**
 * How this page can show a document: text, image, pdf, or other for not at all.
 * @param {string} name of the original
 */
export function kindOf(name) {
  const extension = splitName(name)[1].toLowerCase();
  if (TEXT_EXTENSIONS.has(extension)) return "text";
  if (Object.hasOwn(IMAGE_TYPES, extension)) return "image";
  // Never in the browser's own viewer: it has buttons to save, print and copy that a page cannot take away.
  return extension === ".pdf" ? "pdf" : "other";
}

const countOf = (words, pattern) => words.match(pattern)?.length ?? 0;

/** Text in the encoding its bytes speak for: a byte order mark, else UTF-8, else the common Western one. */
export function decodeText(bytes) {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return new TextDecoder(first === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
  }
  // In stream mode a character cut at the end is held back instead of being an error.
  const words = new TextDecoder("utf-8").decode(bytes, { stream: true });
  const failures = countOf(words, /\ufffd/g);
  // A few wrong bytes are damage, or a text with a scar; when hardly anything beyond ASCII fits, it is not UTF-8.
  const isUtf8 = failures === 0 || failures < countOf(words, /[^\0-\x7f\ufffd]/g);
  return isUtf8 ? words : new TextDecoder("windows-1252").decode(bytes);
}

async function textElement(blob) {
  const element = document.createElement("pre");
  element.textContent = decodeText(new Uint8Array(await blob.slice(0, SHOWN_TEXT).arrayBuffer()));
  return element;
}

function imageElement(address, name) {
  const element = document.createElement("img");
  element.alt = text("image-of", { name });
  element.src = address;
  return element;
}

/** A document on the page; `close` takes every trace of it away again. */
export class Viewer {
  #address = null;
  #pdf = null;
  #guards = new AbortController();

  /**
   * @param {Blob} plaintext
   * @param {string} name
   * @param {string[]} rights
   * @param {object} pdfAddresses see PdfView
   */
  constructor(plaintext, name, rights, pdfAddresses) {
    this.plaintext = plaintext;
    this.name = name;
    this.rights = rights;
    this.pdfAddresses = pdfAddresses;
    this.element = view("viewer");
  }

  /** @param {string} kind see kindOf */
  async show(kind) {
    const frame = part(this.element, "page");
    if (kind === "text") frame.append(await textElement(this.plaintext));
    if (kind === "image") frame.append(await this.#image());
    if (kind === "pdf" && this.plaintext.size > 0) frame.replaceWith(await this.#pdfElement());
    const note = part(this.element, "note");
    note.textContent = this.#remark(kind);
    note.hidden = note.textContent === "";
    this.#enforce();
    return this.element;
  }

  #remark(kind) {
    if (this.plaintext.size === 0) return text("empty-document");
    const isCut = kind === "text" && this.plaintext.size > SHOWN_TEXT;
    return isCut ? text("text-cut", { size: sizeText(SHOWN_TEXT) }) : "";
  }

  /** The type is ours, never the file's: nothing in it can make the browser run it. */
  #typed(type) {
    this.#address = URL.createObjectURL(new Blob([this.plaintext], { type }));
    return this.#address;
  }

  async #image() {
    const type = IMAGE_TYPES[splitName(this.name)[1].toLowerCase()];
    const image = imageElement(this.#typed(type), this.name);
    try {
      await image.decode();
      return image;
    } catch {
      const problem = document.createElement("p");
      problem.textContent = text("bad-image");
      return problem;
    }
  }

  #pdfElement() {
    this.#pdf = new PdfView(this.plaintext, this.pdfAddresses, implies(this.rights, "EXTRACT"));
    return this.#pdf.open();
  }

  /**
   * Prints the whole document, also what is not drawn yet.
   * @param {(done: number, count: number) => void} onProgress
   */
  async print(onProgress) {
    await this.#pdf?.prepareToPrint(onProgress);
    window.print();
  }

  #enforce() {
    const mayCopy = implies(this.rights, "EXTRACT");
    document.documentElement.dataset.printing = implies(this.rights, "PRINT") ? "allowed" : "refused";
    this.element.classList.toggle("viewer--no-copy", !mayCopy);
    if (mayCopy) return;
    const { signal } = this.#guards;
    for (const name of GUARDED_EVENTS) {
      this.element.addEventListener(name, (event) => event.preventDefault(), { signal });
    }
    // A selection of the whole page reaches into the document although it cannot be selected by itself.
    document.addEventListener("copy", (event) => this.#guardCopy(event), { signal });
  }

  #guardCopy(event) {
    if (getSelection()?.containsNode(this.element, true)) event.preventDefault();
  }

  close() {
    this.#guards.abort();
    this.#pdf?.close();
    if (this.#address) URL.revokeObjectURL(this.#address);
    delete document.documentElement.dataset.printing;
    this.element.remove();
  }
}
