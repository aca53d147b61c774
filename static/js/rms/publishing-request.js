/** The request for a publishing license, made from what a person chose on the page. */

import { RmsError } from "./errors.js";

const NEVER_EXPIRES = -1;

/** Splits what was typed into one field: addresses and groups, separated by commas, semicolons or white space. */
export const splitUsers = (typed) => typed.split(/[\s,;]+/).filter(Boolean);

/**
 * The last second of a day, in the person's own zone, as the wire wants it.
 * @param {string} day `YYYY-MM-DD`
 * @returns {string} `YYYY-MM-DDTHH:MM:SSZ`
 */
export function endOfDay(day) {
  const [year, month, date] = day.split("-").map(Number);
  const moment = new Date(year, month - 1, date, 23, 59, 59);
  if (Number.isNaN(moment.getTime())) throw new RmsError("bad-date", "not a day");
  return moment.toISOString().replace(/\.\d+Z$/, "Z");
}

function offlineMembers({ offline, offlineDays }) {
  if (offline === "never") return { allowOfflineAccess: false, IntervalTimeInDays: 0 };
  return {
    allowOfflineAccess: true,
    IntervalTimeInDays: offline === "days" ? offlineDays : NEVER_EXPIRES,
  };
}

/** Everybody with one level stands in one entry; the order of first mention is kept. */
function userRoles(people) {
  const byRole = new Map();
  for (const { users, role } of people) {
    const known = byRole.get(role) ?? new Set();
    for (const user of splitUsers(users)) known.add(user);
    byRole.set(role, known);
  }
  return [...byRole]
    .filter(([, users]) => users.size > 0)
    .map(([role, users]) => ({ Users: [...users], Roles: [role] }));
}

/**
 * @param {object} choice
 * @param {string} choice.fileName
 * @param {string|null} choice.templateId null for specific people
 * @param {{users: string, role: string}[]} [choice.people] `users` as typed
 * @param {string} [choice.expires] day, empty for never
 * @param {"always"|"never"|"days"} [choice.offline]
 * @param {number} [choice.offlineDays]
 * @param {boolean} [choice.outsidersNeedFactor]
 * @returns {object} body of the request
 * @throws {RmsError} no-people
 */
export function publishingRequest(choice) {
  const common = {
    PreferDeprecatedAlgorithms: false, AllowAuditedExtraction: false, FileName: choice.fileName, Sealed: true,
  };
  if (choice.templateId !== null) return { TemplateId: choice.templateId, ...common };
  const roles = userRoles(choice.people);
  if (roles.length === 0) throw new RmsError("no-people", "nobody was named");
  const expiry = choice.expires ? { LicenseValidUntil: endOfDay(choice.expires) } : {};
  const factor = choice.outsidersNeedFactor ? { OutsidersNeedSecondFactor: true } : {};
  return { ...common, ...factor, Policy: { UserRoles: roles, ...offlineMembers(choice), ...expiry } };
}
