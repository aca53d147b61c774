/** Names of protected files and of what is inside them, by the same rules as rms/pfile.py. */

const NATIVE = new Set([
  ".txt", ".xml", ".pdf", ".jpg", ".jpeg", ".jpe", ".jfif", ".jt", ".png", ".tif", ".tiff", ".bmp", ".gif",
]);
const GENERIC = ".pfile";
const SAFE_EXTENSION = /^\.[\p{L}\p{N}_+~#$!@&-]{1,32}$/u;

const TYPED = /[^.]\.[A-Za-z][\p{L}\p{N}_]{0,9}$/u;

/** `text` when it is a dot and a few harmless characters, else "": it becomes part of a file name. */
export const safeExtension = (text) => (SAFE_EXTENSION.test(text) ? text : "");

/** Splits `a.b.txt` into `a.b` and `.txt`; dots at the beginning of a name start no extension. */
export function splitName(name) {
  const dot = name.lastIndexOf(".");
  const isExtension = dot > name.search(/[^.]/) && name.search(/[^.]/) >= 0;
  return isExtension ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
}

/**
 * The file name a protected file gets: `a.txt` becomes `a.ptxt`, `a.docx` becomes `a.docx.pfile`.
 * @param {string} name
 */
export function protectedName(name) {
  const [stem, extension] = splitName(name);
  const suffix = extension.toLowerCase();
  return NATIVE.has(suffix) ? `${stem}.p${suffix.slice(1)}` : name + GENERIC;
}

/**
 * The file name the content gets. Never holds a path. What the visible name tells of the type goes before the header,
 * which nobody has signed: a picture must not turn into a program by being opened.
 * @param {string} protectedFileName
 * @param {string} headerExtension with its dot; may be empty
 */
export function originalName(protectedFileName, headerExtension) {
  let name = protectedFileName.split(/[/\\\0]/).pop();
  const extension = safeExtension(headerExtension);
  const [stem, suffix] = splitName(name);
  const native = `.${suffix.slice(2)}`.toLowerCase();
  if (suffix.toLowerCase() === GENERIC || name.toLowerCase() === GENERIC) {
    name = name.slice(0, -GENERIC.length);
  } else if (suffix.slice(0, 2).toLowerCase() === ".p" && NATIVE.has(native)) {
    return stem + (extension.toLowerCase() === native ? extension : native);
  }
  if (!/[^. ]/.test(name)) name = "document";
  return TYPED.test(name) ? name : name + extension;
}
