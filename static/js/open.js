/** The page that opens protected files: one file at a time, from choosing it to closing it. */

import { RmsError } from "./rms/errors.js";
import { ALTERED, UNALTERED } from "./rms/integrity.js";
import { fill, guardLeaving, linkMail, part, save, takeFiles, view } from "./rms/page.js";
import { EXPIRED, ProtectedDocument } from "./rms/protected-document.js";
import { implies, OWNER, TOLD_RIGHTS } from "./rms/rights.js";
import { errorText, sizeText, text, timeText } from "./rms/texts.js";
import { kindOf, Viewer } from "./rms/viewer.js";

const root = document.querySelector("[data-open]");
const page = {
  chooser: part(root, "chooser"), input: part(root, "files"), status: part(root, "status"), stage: part(root, "stage"),
};
const { licenseUrl, worker, pdfLibrary, pdfWorker, pdfAssets } = root.dataset;
const pdfAddresses = { library: pdfLibrary, worker: pdfWorker, assets: pdfAssets };

let current = new AbortController();
let viewer = null;
let isWorking = false;

// --- what is on the stage -----------------------------------------------------------------------------------

/** Shows one view instead of all others, and tells those who cannot see it. */
function show(element) {
  page.stage.replaceChildren(element);
  const heading = element.querySelector("h2");
  page.status.textContent = heading?.textContent ?? "";
  heading?.focus();
  return element;
}

function reset() {
  current.abort();
  current = new AbortController();
  viewer?.close();
  viewer = null;
  page.stage.replaceChildren();
  page.status.textContent = "";
  page.chooser.hidden = false;
}

/** The view of a result, with the buttons that every result may have. */
function result(name, values, { retry = null } = {}) {
  const element = fill(view(name), values);
  for (const button of element.querySelectorAll("[data-again]")) button.addEventListener("click", startOver);
  for (const button of element.querySelectorAll("[data-retry]")) {
    button.hidden = retry === null;
    button.addEventListener("click", retry ?? startOver);
  }
  return element;
}

function startOver() {
  reset();
  page.input.focus();
}

function showProblem(error, file, retry) {
  if (error?.code === "refused" && error.details.reason.endsWith(".ServiceDisabledException")) {
    show(result("inactive", { name: file.name }));
    return;
  }
  show(result("problem", { name: file.name, problem: errorText(error) }, { retry }));
}

/** Runs a step with a progress bar on the stage; a cancelled one starts over. */
async function working(code, doc, step) {
  const element = fill(view("working"), { task: text(code), name: doc.name });
  const bar = part(element, "progress-bar");
  const { signal } = current;
  part(element, "cancel").addEventListener("click", startOver);
  page.stage.replaceChildren(element);
  page.status.textContent = text(code);
  bar.max = Math.max(doc.container.content.size, 1);
  isWorking = true;
  try {
    return await step({ signal, onProgress: (done) => { bar.value = done; } });
  } finally {
    isWorking = false;
  }
}

// --- opening ------------------------------------------------------------------------------------------------

async function open(file) {
  reset();
  page.chooser.hidden = true;
  const { signal } = current;
  try {
    const doc = await ProtectedDocument.read(file).catch(asReadable);
    const isGranted = await working("asking", doc, (options) => doc.ask(licenseUrl, options.signal));
    if (isGranted) await openGranted(doc);
    else showRefusal(doc);
  } catch (error) {
    if (!signal.aborted) showProblem(error, file, isPermanent(error) ? null : () => open(file));
  }
}

/** What the browser throws when a file cannot be read any more becomes an error with a sentence. */
function asReadable(error) {
  throw error instanceof DOMException ? new RmsError("unreadable") : error;
}

const isPermanent = (error) =>
  ["not-protected", "unsupported-version", "damaged", "bad-license", "undecipherable", "bad-length", "unknown-cipher", "refused"]
    .includes(error?.code);

async function openGranted(doc) {
  const integrity = await working("checking", doc, (options) => doc.checkIntegrity(worker, options));
  if (integrity.state !== ALTERED) await present(doc, integrity);
  else showAltered(doc, integrity);
}

function showAltered(doc, integrity) {
  const element = show(result("altered", { name: doc.name, owner: ownerOf(doc) }));
  part(element, "open-anyway").addEventListener("click", () => {
    const { signal } = current;
    present(doc, integrity).catch((error) => {
      if (!signal.aborted) showProblem(error, doc.file, null);
    });
  });
}

const ownerOf = (doc) => String(doc.answer?.Owner || doc.license.owner || "");

function showRefusal(doc) {
  const reason = String(doc.answer.Reason ?? "").toLowerCase();
  const isExpired = doc.answer.AccessStatus === EXPIRED || reason === "expired";
  const known = {
    revoked: "revoked", inactive: "inactive", "second factor": "needs-factor",
    "key held": "key-held", "key disabled": "key-disabled", "key destroyed": "key-destroyed",
  };
  const name = isExpired ? "expired" : Object.hasOwn(known, reason) ? known[reason] : "denied";
  const owner = ownerOf(doc);
  const element = result(name, { name: doc.name, owner });
  linkMail(element, owner);
  show(element);
}

// --- a document that may be read ----------------------------------------------------------------------------

async function present(doc, integrity) {
  const kind = kindOf(doc.name);
  const isShown = ["text", "image", "pdf"].includes(kind) && implies(doc.rights, "VIEW");
  const element = fill(view("document"), { name: doc.name });
  showIntegrity(element, integrity, doc);
  showFacts(element, doc);
  const source = isShown ? await decrypted(doc) : null;
  const place = part(element, "place");
  if (isShown) {
    viewer = new Viewer(source, doc.name, doc.rights, pdfAddresses);
    place.replaceWith(await viewer.show(kind));
    offerPrint(element, doc.rights);
  } else {
    place.replaceWith(notShown(doc));
  }
  offerCopy(element, doc, source, integrity);
  for (const button of element.querySelectorAll("[data-again]")) button.addEventListener("click", startOver);
  show(element);
}

function offerPrint(element, rights) {
  const button = part(element, "print");
  button.hidden = !implies(rights, "PRINT");
  if (button.hidden) return;
  const print = async () => {
    if (button.hasAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    await viewer.print((done, count) => {
      page.status.textContent = text("preparing-print", { page: done, count });
    });
    button.removeAttribute("aria-disabled");
  };
  button.addEventListener("click", print);
  // The keys that print take the same way: the browser alone would print only what is drawn already.
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "p") return;
    event.preventDefault();
    print();
  }, { signal: current.signal });
}

const decrypted = (doc) => working("decrypting", doc, (options) => doc.decrypt(worker, options));

function notShown(doc) {
  const element = fill(view("not-shown"), { name: doc.name, size: sizeText(doc.container.content.size) });
  const maySave = implies(doc.rights, "EXPORT");
  part(element, "why").textContent = text(maySave ? "not-shown-save" : "not-shown");
  return element;
}

/** Only who may export gets a copy; what was not needed for showing is decrypted when it is asked for. */
function offerCopy(element, doc, source, integrity) {
  const button = part(element, "save");
  button.hidden = !implies(doc.rights, "EXPORT");
  button.addEventListener("click", async () => {
    if (source !== null) {
      save(source, doc.name);
      return;
    }
    const { signal } = current;
    try {
      save(await decrypted(doc), doc.name);
      await present(doc, integrity);
      page.status.textContent = text("saved", { name: doc.name });
    } catch (error) {
      if (!signal.aborted) showProblem(error, doc.file, null);
    }
  });
}

function showIntegrity(element, { state, record }, doc) {
  const place = part(element, "integrity");
  const values = state === UNALTERED
    ? { publisher: record.publisher, time: timeText(record.sealedAt) }
    : { owner: ownerOf(doc) };
  place.replaceWith(fill(view(`integrity-${state}`), values));
}

function momentOf(value) {
  const moment = typeof value === "string" ? new Date(value) : null;
  return moment && !Number.isNaN(moment.getTime()) ? moment : null;
}

function showFacts(element, doc) {
  const { answer, license, rights } = doc;
  const contentUntil = momentOf(answer.ContentValidUntil);
  const licenseUntil = momentOf(answer.LicenseValidUntil);
  const mayStayOffline = answer.allowOfflineAccess === true && licenseUntil;
  fill(element, {
    owner: ownerOf(doc),
    protected: license.issuedAt && timeText(license.issuedAt),
    policy: String(answer.Name ?? ""),
    description: String(answer.Description ?? ""),
    "issued-to": String(answer.IssuedTo ?? ""),
    expiry: contentUntil ? timeText(contentUntil) : text("never-expires"),
    offline: mayStayOffline ? text("offline-until", { time: timeText(licenseUntil) }) : text("this-once"),
    organization: license.issuerName,
  });
  part(element, "rights").append(...rightRows(rights));
}

function rightRows(rights) {
  if (rights.includes(OWNER)) return [rightRow("right-yes", text("right.OWNER"))];
  return TOLD_RIGHTS.map((right) => {
    const has = implies(rights, right);
    return rightRow(has ? "right-yes" : "right-no", text(`right.${right}`));
  });
}

const rightRow = (name, words) => fill(view(name), { right: words });

// --- start --------------------------------------------------------------------------------------------------

takeFiles(page.chooser, ([file]) => open(file));
guardLeaving(() => isWorking);
root.hidden = false;
if (!globalThis.crypto?.subtle) show(result("problem", { name: "", problem: text("insecure-page") }));
