/** The editor of templates: rows of grants without a round trip, rights that bring what they need, no lost changes. */

import { guardLeaving } from "./rms/page.js";

const NAMELESS = new Set(["members", "anyone", "owner"]);
const CHOSEN = "CHOSEN";
const form = document.querySelector("[data-template-editor]");
const rows = form.querySelector("[data-grants]");
const told = form.querySelector("[data-told]");
const text = (name) => form.querySelector(`template[data-text="${name}"]`).content.textContent.trim();
let changed = form.hasAttribute("data-unsaved");
let leaving = false;
let next = rows.children.length;

// --- grants ---------------------------------------------------------------------------------------------------

function add() {
  const row = form.querySelector('template[data-view="grant"]').content.firstElementChild.cloneNode(true);
  const number = String(next++);
  for (const element of row.querySelectorAll("[id], [name], [for], [value], [aria-describedby]")) {
    for (const name of ["id", "name", "for", "value", "aria-describedby"]) {
      const value = element.getAttribute(name);
      if (value?.includes("9999")) element.setAttribute(name, value.replace("9999", number));
    }
  }
  rows.append(row);
  show(row);
  row.querySelector("[data-kind]").focus();
}

function remove(row) {
  const beside = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  (beside?.querySelector("[data-kind]") ?? form.querySelector("[data-add]")).focus();
}

/** Only what counts is in the way: a name for those who have one, single rights where they are chosen. */
function show(row) {
  row.querySelector("[data-who]").hidden = NAMELESS.has(row.querySelector("[data-kind]").value);
  row.querySelector("[data-rights]").hidden = row.querySelector("[data-level]").value !== CHOSEN;
}

// --- rights ---------------------------------------------------------------------------------------------------

const boxes = (row) => [...row.querySelectorAll("[data-needs]")];
const needs = (box) => box.dataset.needs.split(" ").filter(Boolean);
const word = (box) => box.closest("label").querySelector(".choice__text").firstChild.textContent.trim();

/** Ticking a right ticks what it needs; unticking one unticks what needs it. What happened beside is told. */
function follow(row, box) {
  const others = boxes(row).filter((other) => (box.checked
    ? !other.checked && needs(box).includes(other.value)
    : other.checked && needs(other).includes(box.value)));
  for (const other of others) other.checked = box.checked;
  told.textContent = others.length
    ? `${text(box.checked ? "ticked" : "unticked")} ${others.map(word).join(", ")}`
    : "";
}

// --- the page -------------------------------------------------------------------------------------------------

form.addEventListener("input", () => { changed = true; });
form.addEventListener("change", (event) => {
  const row = event.target.closest("[data-grant]");
  if (!row) return;
  if (event.target.matches("[data-needs]")) follow(row, event.target);
  else if (event.target.matches("[data-kind], [data-level]")) {
    show(row);
    if (event.target.value === CHOSEN) row.querySelector("[data-rights]").open = true;
  }
});
form.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add], [data-remove]");
  if (!button) return;
  event.preventDefault();
  changed = true;
  if (button.matches("[data-add]")) add();
  else remove(button.closest("[data-grant]"));
});
form.addEventListener("submit", () => { leaving = true; });
guardLeaving(() => changed && !leaving);
for (const row of rows.children) show(row);
form.querySelector('[aria-invalid="true"]')?.focus();
