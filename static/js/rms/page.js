/** Small dealings with the page that several scripts share. */

import { RmsError } from "./errors.js";

const MAIL_ADDRESS = /^[^\s@<>"',;:?&%]+@[^\s@<>"',;:?&%]+$/;

/** The one element inside `root` that is marked `data-part="name"`. */
export function part(root, name) {
  const found = root.querySelector(`[data-part="${name}"]`);
  if (!found) throw new RmsError("unexpected", `the page has no part ${name}`);
  return found;
}

/** A copy of the element inside `<template data-view="name">`. */
export function view(name) {
  const template = document.querySelector(`template[data-view="${name}"]`);
  if (!template) throw new RmsError("unexpected", `the page has no view ${name}`);
  return template.content.firstElementChild.cloneNode(true);
}

/**
 * Fills the places `data-slot="name"` of a view with text, and takes out what is marked `data-needs="name"` when
 * there is nothing to say. Values are only ever text.
 * @param {Element} root
 * @param {Record<string, string|null>} values
 */
export function fill(root, values) {
  for (const [name, value] of Object.entries(values)) {
    for (const slot of root.querySelectorAll(`[data-slot="${name}"]`)) slot.textContent = value ?? "";
    if (!value) for (const needy of root.querySelectorAll(`[data-needs="${name}"]`)) needy.remove();
  }
  return root;
}

/** Makes links marked `data-mail-to` write to this address; takes them out when it is no plain address. */
export function linkMail(root, address) {
  for (const link of root.querySelectorAll("[data-mail-to]")) {
    if (MAIL_ADDRESS.test(address)) link.href = `mailto:${address}`;
    else link.remove();
  }
}

/** Has the browser save a blob under a name. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken hold of the blob by the next turn; a minute is on the safe side.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Asks before the page is left, for as long as `isBusy()` says so. */
export function guardLeaving(isBusy) {
  window.addEventListener("beforeunload", (event) => {
    if (isBusy()) event.preventDefault();
  });
}

/**
 * Lets files be chosen or dropped. The input covers its zone, so it takes drops there by itself; what is dropped
 * beside it counts too, and never replaces the page.
 * @param {Element} zone
 * @param {(files: File[]) => void} onFiles
 */
export function takeFiles(zone, onFiles) {
  const input = zone.querySelector('input[type="file"]');
  input.addEventListener("change", () => {
    const files = [...input.files];
    // So that choosing the same file again is a change again.
    input.value = "";
    if (files.length > 0) onFiles(files);
  });
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    zone.dataset.over = "";
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) delete zone.dataset.over;
  });
  window.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    delete zone.dataset.over;
    const files = [...event.dataTransfer.files].slice(0, input.multiple ? undefined : 1);
    if (files.length > 0 && !zone.closest("[inert], [hidden], fieldset:disabled")) onFiles(files);
  });
}
