/** One page of a PDF: an element of the right shape, drawn on a canvas when it comes near. */

import { text } from "./texts.js";

/** What every browser can draw on, in pixels and in pixels along one side. */
const LARGEST_CANVAS = 2 ** 24;
const LONGEST_SIDE = 2 ** 13;
/** Pixels per point on paper: 150 to the inch. */
const PRINT_SCALE = 150 / 72;
/** A page longer than this is damaged or made to do harm. */
const STEEPEST = 50;

/** `wanted`, or what of it a canvas for this viewport can bear. */
function boundedScale({ width, height }, wanted) {
  return Math.min(
    wanted, Math.sqrt(LARGEST_CANVAS / (width * height)), LONGEST_SIDE / width, LONGEST_SIDE / height,
  );
}

function shapeOf({ width, height }) {
  if (!(width > 0 && height > 0)) throw new Error("a page without an area");
  return Math.min(Math.max(width / height, 1 / STEEPEST), STEEPEST);
}

export class PdfPage {
  #drawing = null;
  #drawnWidth = 0;
  #printed = null;

  /** Width divided by height of a page. */
  static async shapeOf(pdf, number) {
    return shapeOf((await pdf.getPage(number)).getViewport({ scale: 1 }));
  }

  /** `shape` is a guess, put right when the page is drawn: asking for all pages first would take long. */
  constructor(number, { pdfjs, pdf, count, shape, maySelect }) {
    this.number = number;
    this.pdfjs = pdfjs;
    this.pdf = pdf;
    this.maySelect = maySelect;
    this.name = text("page-of", { page: number, count });
    this.element = document.createElement("div");
    this.element.className = "pdf__page";
    this.element.style.aspectRatio = shape;
  }

  isStale() {
    return this.#drawnWidth !== this.element.clientWidth && this.element.clientWidth > 0;
  }

  /** Where the middle of the page is, in pixels from the top of the window. */
  middle() {
    const { top, height } = this.element.getBoundingClientRect();
    return top + height / 2;
  }

  /** Draws the page at its present width; never throws, a page that cannot be drawn says so. */
  async draw() {
    const width = this.element.clientWidth;
    this.#drawnWidth = width;
    try {
      await this.#drawAt(width);
    } catch (error) {
      if (error?.name === "RenderingCancelledException") return;
      this.#show(this.#problem());
    }
  }

  async #drawAt(width) {
    const page = await this.pdf.getPage(this.number);
    const plain = page.getViewport({ scale: 1 });
    this.element.style.aspectRatio = shapeOf(plain);
    const canvas = await this.#paint(page, (width * devicePixelRatio) / plain.width, "display");
    if (this.#drawnWidth !== width) return;
    const layers = [canvas];
    if (this.maySelect) layers.push(await this.#textLayer(page, width / plain.width, canvas));
    // Forgotten meanwhile: the reader has scrolled on.
    if (this.#drawnWidth === width) this.#show(...layers);
  }

  async #paint(page, scale, intent) {
    const viewport = page.getViewport({ scale: boundedScale(page.getViewport({ scale: 1 }), scale) });
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.floor(viewport.width));
    canvas.height = Math.max(1, Math.floor(viewport.height));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", this.name);
    const drawing = page.render({ canvas, viewport, intent });
    if (intent === "display") this.#drawing = drawing;
    await drawing.promise;
    return canvas;
  }

  /** The words, invisible above their picture, for those who may copy them; read out instead of it. */
  async #textLayer(page, scale, canvas) {
    const container = document.createElement("div");
    container.className = "pdf__text";
    container.style.setProperty("--total-scale-factor", scale);
    const textContentSource = page.streamTextContent();
    const layer = new this.pdfjs.TextLayer({ textContentSource, container, viewport: page.getViewport({ scale }) });
    await layer.render();
    if (container.textContent.trim()) canvas.setAttribute("aria-hidden", "true");
    return container;
  }

  #show(...layers) {
    this.#release();
    this.element.replaceChildren(...layers, ...(this.#printed ? [this.#printed] : []));
  }

  #problem() {
    const problem = document.createElement("p");
    problem.className = "pdf__problem";
    problem.textContent = `${this.name}: ${text("bad-pdf-page")}`;
    return problem;
  }

  /** Browsers keep a canvas's memory until it is collected, unless it has no size. */
  #release() {
    for (const canvas of this.element.querySelectorAll("canvas")) canvas.width = 0;
  }

  forget() {
    this.#drawing?.cancel();
    this.#drawing = null;
    this.#drawnWidth = 0;
    this.#show();
  }

  async prepareToPrint() {
    if (this.#printed) return;
    try {
      const page = await this.pdf.getPage(this.number);
      const canvas = await this.#paint(page, PRINT_SCALE, "print");
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
      canvas.width = 0;
      this.#printed = document.createElement("img");
      this.#printed.src = URL.createObjectURL(blob);
      await this.#printed.decode();
    } catch {
      this.#printed = this.#problem();
    }
    this.#printed.classList.add("pdf__print");
    this.element.append(this.#printed);
  }

  close() {
    this.forget();
    if (this.#printed?.src) URL.revokeObjectURL(this.#printed.src);
  }
}
