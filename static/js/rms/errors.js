/**
 * A failure with a stable `code`. Pages turn the code into a sentence in the reader's language;
 * `message` is for developers and is never shown.
 */
export class RmsError extends Error {
  /**
   * @param {string} code stable slug, e.g. "not-protected"
   * @param {string} [message] what was wrong, in English, without any content
   * @param {Record<string, string|number>} [details] values for the placeholders of the sentence
   */
  constructor(code, message = code, details = {}) {
    super(message);
    this.name = "RmsError";
    this.code = code;
    this.details = details;
  }
}
