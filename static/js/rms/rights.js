/** Usage rights, as far as a page needs them. */

export const OWNER = "OWNER";
/** The rights a reader is told about, granted or not, in this order. */
export const TOLD_RIGHTS = ["VIEW", "EDIT", "COMMENT", "PRINT", "EXTRACT", "FORWARD", "EXPORT"];

/**
 * Whether someone who holds `rights` may use `right`; OWNER is every right.
 * @param {string[]} rights
 * @param {string} right
 */
export const implies = (rights, right) => rights.includes(right) || rights.includes(OWNER);
