/**
 * Shows a PDF page by page on canvases, within the rights of the reader. The library is fetched when the first PDF is
 * opened, and never runs scripts of the document: that part of it is not even here.
 */

import { PdfPage } from "./pdf-page.js";
import { part, view } from "./page.js";
import { text } from "./texts.js";

/** A document may claim any number of pages; each one shown costs an element. */
const MOST_PAGES = 2000;
/** Pixels of one picture inside a PDF: a large plan, scanned. What is larger is left out. */
const LARGEST_IMAGE = 2 ** 27;
const ZOOMS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];
const FIT = ZOOMS.indexOf(1);
/** Pages this near to what is seen are drawn ahead; those farther away give their memory back. */
const NEAR = "100% 0px";
const SETTLED = 150;

const percent = (share) =>
  new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(share);

/** Loading failed: what the page says instead of the document. */
function problemCode(error) {
  return error?.name === "PasswordException" ? "pdf-password" : "bad-pdf";
}

export class PdfView {
  #task = null;
  #pages = [];
  #near = new Set();
  #zoom = FIT;
  #isDrawing = false;
  #isClosed = false;
  #watchers = [];
  #settling = 0;

  /**
   * @param {Blob} plaintext
   * @param {{library: string, worker: string, assets: string}} addresses of the library, its worker, its folder
   * @param {boolean} maySelect whether the text can be selected
   */
  constructor(plaintext, addresses, maySelect) {
    this.plaintext = plaintext;
    this.addresses = addresses;
    this.maySelect = maySelect;
    this.element = view("pdf");
    this.scroller = part(this.element, "page");
  }

  /** Puts the pages into `element`, to be drawn when they come near; a sentence when the PDF cannot be read. */
  async open() {
    try {
      const pdf = await this.#load();
      this.#layOut(pdf, await PdfPage.shapeOf(pdf, 1));
    } catch (error) {
      if (this.#isClosed) throw error;
      this.#say(problemCode(error));
    }
    return this.element;
  }

  async #load() {
    const { library, worker, assets } = this.addresses;
    const pdfjs = await import(library);
    pdfjs.GlobalWorkerOptions.workerSrc = worker;
    this.pdfjs = pdfjs;
    this.#task = pdfjs.getDocument({
      data: new Uint8Array(await this.plaintext.arrayBuffer()),
      // The page's policy lets no WebAssembly run; the same decoders in JavaScript are slower and enough.
      useWasm: false,
      useWorkerFetch: true,
      wasmUrl: `${assets}wasm/`,
      standardFontDataUrl: `${assets}standard_fonts/`,
      maxImageSize: LARGEST_IMAGE,
      verbosity: pdfjs.VerbosityLevel.ERRORS,
    });
    if (this.#isClosed) this.#task.destroy();
    return this.#task.promise;
  }

  #layOut(pdf, shape) {
    const count = Math.min(pdf.numPages, MOST_PAGES);
    const options = { pdfjs: this.pdfjs, pdf, count, shape, maySelect: this.maySelect };
    this.#pages = Array.from({ length: count }, (_, index) => new PdfPage(index + 1, options));
    part(this.element, "pages").append(...this.#pages.map((page) => page.element));
    this.#watch();
    this.#offerZoom();
    this.#showPosition();
    part(this.element, "bar").hidden = false;
    if (pdf.numPages > count) this.#note(text("pdf-cut", { count }));
  }

  #watch() {
    const pageOf = new Map(this.#pages.map((page) => [page.element, page]));
    const nearness = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.#move(pageOf.get(target), isIntersecting);
      this.#showPosition();
      this.#draw();
    }, { root: this.scroller, rootMargin: NEAR });
    for (const page of this.#pages) nearness.observe(page.element);
    const size = new ResizeObserver(() => {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => this.#draw(), SETTLED);
    });
    size.observe(part(this.element, "pages"));
    this.#watchers = [nearness, size];
    this.scroller.addEventListener("scroll", () => this.#showPosition(), { passive: true });
  }

  #move(page, isNear) {
    if (isNear) {
      this.#near.add(page);
    } else {
      this.#near.delete(page);
      page.forget();
    }
  }

  /** One page after the other, those in sight first; starts over as long as scrolling brings more. */
  async #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    try {
      for (let page = this.#next(); page && !this.#isClosed; page = this.#next()) await page.draw();
    } finally {
      this.#isDrawing = false;
    }
  }

  #next() {
    const waiting = [...this.#near].filter((page) => page.isStale());
    const middle = this.#middle();
    const distance = (page) => Math.abs(page.middle() - middle);
    return waiting.sort((one, other) => distance(one) - distance(other))[0];
  }

  #middle() {
    const { top, height } = this.scroller.getBoundingClientRect();
    return top + height / 2;
  }

  #showPosition() {
    const middle = this.#middle();
    const pages = this.#near.size > 0 ? [...this.#near] : this.#pages.slice(0, 1);
    const [current] = pages.sort((one, other) => Math.abs(one.middle() - middle) - Math.abs(other.middle() - middle));
    part(this.element, "position").textContent = text("page-of", { page: current.number, count: this.#pages.length });
  }

  // --- size -------------------------------------------------------------------------------------------------

  #offerZoom() {
    const offer = (name, next) =>
      part(this.element, name).addEventListener("click", () => this.#setZoom(next(this.#zoom)));
    offer("zoom-out", (zoom) => Math.max(zoom - 1, 0));
    offer("zoom-in", (zoom) => Math.min(zoom + 1, ZOOMS.length - 1));
    offer("zoom-fit", () => FIT);
    this.#setZoom(FIT);
  }

  #setZoom(zoom) {
    const { scrollTop, scrollLeft, scrollHeight, scrollWidth } = this.scroller;
    this.#zoom = zoom;
    part(this.element, "pages").style.inlineSize = `${ZOOMS[zoom] * 100}%`;
    part(this.element, "zoom").textContent = percent(ZOOMS[zoom]);
    // A disabled button would lose the focus, so the ends are only announced.
    part(this.element, "zoom-out").setAttribute("aria-disabled", String(zoom === 0));
    part(this.element, "zoom-in").setAttribute("aria-disabled", String(zoom === ZOOMS.length - 1));
    this.scroller.scrollTop = scrollTop * (this.scroller.scrollHeight / (scrollHeight || 1));
    this.scroller.scrollLeft = scrollLeft * (this.scroller.scrollWidth / (scrollWidth || 1));
  }

  // --- printing ---------------------------------------------------------------------------------------------

  /**
   * Makes a picture of every page, since only pages near to what is seen are drawn. They stay until the document is
   * closed: browsers do not agree on when a page has been printed.
   * @param {(done: number, count: number) => void} onProgress
   */
  async prepareToPrint(onProgress) {
    for (const page of this.#pages) {
      if (this.#isClosed) return;
      onProgress(page.number, this.#pages.length);
      await page.prepareToPrint();
    }
    this.element.dataset.prepared = "";
  }

  // --- words ------------------------------------------------------------------------------------------------

  #say(code) {
    const problem = document.createElement("p");
    problem.textContent = text(code);
    part(this.element, "pages").replaceChildren(problem);
  }

  #note(words) {
    const note = document.createElement("p");
    note.textContent = words;
    part(this.element, "pages").append(note);
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.disconnect();
    for (const page of this.#pages) page.close();
    this.#task?.destroy();
  }
}
