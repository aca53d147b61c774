/** The page that protects files: what is chosen, what is asked, what becomes of each file. */

import { RmsError } from "./rms/errors.js";
import { fill, guardLeaving, part, save, takeFiles, view } from "./rms/page.js";
import { isProtected, ProtectJob } from "./rms/protect-job.js";
import { publishingRequest, splitUsers } from "./rms/publishing-request.js";
import { errorText, sizeText, text } from "./rms/texts.js";

const form = document.querySelector("[data-protect]");
const page = {
  controls: part(form, "controls"),
  chosen: part(form, "chosen"),
  people: part(form, "people"),
  submit: part(form, "submit"),
  status: part(document, "status"),
  results: part(document, "results"),
  resultList: part(document, "result-list"),
};
const addresses = {
  license: form.dataset.licenseUrl, seal: form.dataset.sealUrl, worker: form.dataset.worker,
};
const UNKNOWN_DOCUMENT = "00000000-0000-0000-0000-000000000000";

let waiting = [];
let running = 0;
let rowNumber = 0;

// --- files --------------------------------------------------------------------------------------------------

async function addFiles(files) {
  clearErrors();
  for (const file of files) {
    // A file that cannot even be begun to read (a folder, say) must not spoil the others.
    const problem = await isProtected(file).then((already) => already && "already-protected", () => "unreadable");
    if (problem) showError("files", text(problem, { name: file.name }));
    else if (!waiting.some((other) => isSame(other, file))) waiting.push(file);
  }
  showChosen();
}

const isSame = (one, other) =>
  one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

function showChosen() {
  page.chosen.replaceChildren(...waiting.map(chosenRow));
  page.chosen.hidden = waiting.length === 0;
}

function chosenRow(file) {
  const row = fill(view("chosen"), { name: file.name, size: sizeText(file.size) });
  part(row, "remove-label").textContent = text("remove-file", { name: file.name });
  part(row, "remove").addEventListener("click", () => {
    waiting = waiting.filter((other) => other !== file);
    showChosen();
    form.querySelector('input[type="file"]').focus();
  });
  return row;
}

// --- who may open -------------------------------------------------------------------------------------------

const chosenKind = () => form.elements.kind.value;
const isTemplate = () => chosenKind() === "template";
/** Everybody gets the same: the kind is the role. */
const isSpecial = () => form.querySelector('input[name="kind"]:checked')?.dataset.special !== undefined;

function addPerson({ focus = false } = {}) {
  const row = view("person");
  rowNumber += 1;
  const [users, role] = [part(row, "users"), part(row, "role")];
  users.id = `users-${rowNumber}`;
  role.id = `role-${rowNumber}`;
  part(row, "users-label").htmlFor = users.id;
  part(row, "role-label").htmlFor = role.id;
  const describe = () => {
    part(row, "role-hint").textContent = role.selectedOptions[0]?.dataset.description ?? "";
  };
  role.addEventListener("change", describe);
  describe();
  part(row, "remove").addEventListener("click", () => {
    const neighbor = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    if (page.people.childElementCount === 0) addPerson();
    part(neighbor ?? page.people, "users").focus();
    showPeople();
  });
  page.people.append(row);
  showPeople();
  if (focus) users.focus();
}

/** One row alone cannot be removed: there has to be somebody. */
function showPeople() {
  for (const row of page.people.children) {
    part(row, "remove").hidden = page.people.childElementCount === 1;
    part(row, "role-field").hidden = isSpecial();
  }
}

function showKind() {
  const shown = isTemplate() ? "template" : "people";
  for (const panel of form.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== shown;
  part(form, "more-people").hidden = isSpecial();
  showPeople();
}

function showTemplate() {
  const select = form.elements.template;
  if (select) part(form, "template-hint").textContent = select.selectedOptions[0]?.dataset.description ?? "";
}

function showOffline() {
  part(form, "offline-days").hidden = form.elements.offline.value !== "days";
}

function currentChoice() {
  if (isTemplate()) return { templateId: form.elements.template.value };
  return {
    templateId: null,
    people: [...page.people.children].map((row) => ({
      users: part(row, "users").value, role: isSpecial() ? chosenKind() : part(row, "role").value,
    })),
    expires: form.elements.expires.value,
    offline: form.elements.offline.value,
    offlineDays: form.elements.offlineDays.valueAsNumber,
    outsidersNeedFactor: form.elements.outsidersNeedFactor.checked,
  };
}

// --- errors -------------------------------------------------------------------------------------------------

function clearErrors() {
  for (const error of form.querySelectorAll("[data-error]")) error.hidden = true;
  for (const field of form.querySelectorAll(".field--invalid")) field.classList.remove("field--invalid");
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
}

/** Says what is wrong at the field it concerns, and puts the cursor there. */
function showError(name, message, control = null) {
  const error = form.querySelector(`[data-error="${name}"]`);
  part(error, "message").textContent = message;
  error.hidden = false;
  error.closest(".field")?.classList.add("field--invalid");
  control?.setAttribute("aria-invalid", "true");
  control?.setAttribute("aria-describedby", error.id);
  (control ?? error).focus();
}

/** The row of which the service's sentence quotes something; else the first. */
function peopleFieldFor(message) {
  const rows = [...page.people.children].map((row) => part(row, "users"));
  return rows.find((input) => splitUsers(input.value).some((user) => message.includes(user))) ?? rows[0];
}

function showRefusal(error) {
  const message = errorText(error);
  if (error?.code === "no-people") showError("people", message, part(page.people, "users"));
  else if (error?.code !== "refused") showError("form", message);
  else if (isTemplate()) showError("template", message, form.elements.template);
  else showError("people", message, peopleFieldFor(message));
}

function isComplete() {
  const days = form.elements.offlineDays;
  if (waiting.length === 0) {
    showError("files", text("no-files"), form.querySelector('input[type="file"]'));
  } else if (!isTemplate() && !form.elements.expires.validity.valid) {
    showError("expires", text("bad-date"), form.elements.expires);
  } else if (!isTemplate() && form.elements.offline.value === "days" && !days.validity.valid) {
    showError("offline", text("bad-days"), days);
  } else {
    return true;
  }
  return false;
}

// --- protecting ---------------------------------------------------------------------------------------------

function setBusy(isBusy) {
  page.controls.disabled = isBusy;
  page.submit.disabled = isBusy;
}

async function protectAll() {
  clearErrors();
  if (!isComplete()) return;
  setBusy(true);
  page.status.textContent = text("asking");
  try {
    while (waiting.length > 0) await protectNext();
  } catch (error) {
    setBusy(false);
    page.status.textContent = "";
    showRefusal(error);
  } finally {
    setBusy(false);
  }
}

/** Only a license that is refused stops the files behind it: what was chosen would be refused for them too. */
async function protectNext() {
  const [file] = waiting;
  const job = new ProtectJob(file, addresses);
  await job.license(publishingRequest({ ...currentChoice(), fileName: file.name }));
  waiting = waiting.slice(1);
  showChosen();
  await runJob(job, resultRow(job));
}

function resultRow(job) {
  const row = fill(view("job"), { name: job.file.name, size: sizeText(job.file.size) });
  part(row, "progress-label").textContent = text("progress-of", { name: job.file.name });
  part(row, "retry").addEventListener("click", () => runJob(job, row));
  page.results.hidden = false;
  page.resultList.prepend(row);
  row.focus();
  return row;
}

async function runJob(job, row) {
  const bar = part(row, "progress-bar");
  const cancel = part(row, "cancel");
  const aborter = new AbortController();
  const onCancel = () => aborter.abort();
  cancel.addEventListener("click", onCancel);
  row.dataset.state = "running";
  page.status.textContent = text("encrypting", { name: job.file.name });
  running += 1;
  try {
    bar.max = Math.max(job.file.size, 1);
    bar.value = 0;
    const showProgress = (done) => {
      bar.value = done;
      part(row, "percent").textContent = percentText(done / bar.max);
    };
    showDone(job, row, await job.finish(showProgress, aborter.signal));
  } catch (error) {
    showFailure(job, row, error, aborter.signal.aborted);
  } finally {
    running -= 1;
    cancel.removeEventListener("click", onCancel);
  }
}

const percentText = (share) =>
  new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(Math.min(share, 1));

function showDone(job, row, blob) {
  row.dataset.state = "done";
  fill(row, { result: job.name, "result-size": sizeText(blob.size) });
  part(row, "track").href = form.dataset.documentUrl.replace(UNKNOWN_DOCUMENT, job.contentId);
  part(row, "save").addEventListener("click", () => save(blob, job.name));
  page.status.textContent = text("protected", { name: job.name });
  part(document, "next-steps").hidden = false;
  save(blob, job.name);
}

function showFailure(job, row, error, wasCancelled) {
  row.dataset.state = wasCancelled ? "cancelled" : "failed";
  const message = wasCancelled ? text("cancelled", { name: job.file.name }) : errorText(error);
  fill(row, { problem: message });
  page.status.textContent = message;
}

// --- start --------------------------------------------------------------------------------------------------

takeFiles(part(form, "dropzone"), addFiles);
guardLeaving(() => running > 0);
addPerson();
part(form, "add-person").addEventListener("click", () => addPerson({ focus: true }));
for (const radio of form.querySelectorAll('input[name="kind"]')) radio.addEventListener("change", showKind);
form.elements.template?.addEventListener("change", showTemplate);
form.elements.offline.addEventListener("change", showOffline);
form.elements.expires.min = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  protectAll().catch((error) => showError("form", errorText(error)));
});
showKind();
showTemplate();
showOffline();
form.hidden = false;
if (!globalThis.crypto?.subtle) showRefusal(new RmsError("insecure-page"));
