/**
 * Sentences for people. They stand in the page as `<template data-text="code">`, translated there by the server;
 * `{name}` in them is a place for a value. Nothing visible is written in a script.
 */

const language = () => document.documentElement.lang || undefined;

function sentence(code) {
  return document.querySelector(`template[data-text="${CSS.escape(code)}"]`)?.content.textContent.trim();
}

/**
 * @param {string} code
 * @param {Record<string, string|number>} [values]
 * @returns {string} the sentence for "unexpected" when the page has none for this code
 */
export function text(code, values = {}) {
  const found = sentence(code) ?? sentence("unexpected") ?? "";
  return found.replace(/\{(\w+)\}/g, (place, name) => (Object.hasOwn(values, name) ? String(values[name]) : place));
}

/**
 * A sentence with a number, in the plural form of the page's language: looks for `code.one`, `code.other` …
 * @param {string} code
 * @param {number} count
 */
export function counted(code, count) {
  const form = new Intl.PluralRules(language()).select(count);
  const shown = new Intl.NumberFormat(language()).format(count);
  return text(sentence(`${code}.${form}`) === undefined ? `${code}.other` : `${code}.${form}`, { count: shown });
}

/** The sentence for an error, whatever was thrown. */
export function errorText(error) {
  if (error?.code === "refused" && error.details.message) return error.details.message;
  return text(typeof error?.code === "string" ? error.code : "unexpected", error?.details ?? {});
}

/** @param {number} bytes */
export function sizeText(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const format = { style: "unit", unit: units[step], unitDisplay: step === 0 ? "long" : "short", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language(), format).format(bytes / 1000 ** step);
}

/** Puts a moment into a `<time>` element: the person's zone to read, UTC for programs. */
export function showTime(element, moment) {
  element.dateTime = moment.toISOString();
  element.textContent = new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(moment);
}

/** @param {Date} moment */
export function timeText(moment) {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(moment);
}
