/** A protected file in the browser: read, licensed, checked, decrypted; knows nothing of the page. */

import { CBC4K, ECB } from "./ciphers.js";
import { fromBase64, toBase64 } from "./encoding.js";
import { RmsError } from "./errors.js";
import { originalName } from "./file-names.js";
import { isRecord, judge, NO_RECORD } from "./integrity.js";
import { readPfile } from "./pfile.js";
import { post } from "./service.js";
import { runInWorker } from "./work.js";
import { readLicense } from "./xrml.js";

export const GRANTED = "AccessGranted";
export const EXPIRED = "ContentExpired";

function readKey(answer) {
  try {
    return { value: fromBase64(answer.Key.Value), mode: String(answer.Key.CipherMode) };
  } catch {
    throw new RmsError("server", "access without a key");
  }
}

export class ProtectedDocument {
  #key = null;

  /** @param {File} file @param {object} container see readPfile @param {object} license see readLicense */
  constructor(file, container, license) {
    this.file = file;
    this.container = container;
    this.license = license;
    this.name = originalName(file.name, container.extension);
    this.answer = null;
    this.rights = [];
  }

  /**
   * @param {File} file
   * @throws {RmsError} see readPfile and readLicense
   */
  static async read(file) {
    const container = await readPfile(file);
    return new ProtectedDocument(file, container, readLicense(container.license));
  }

  /**
   * Asks the service; afterwards `answer` holds what it said, and `rights` what was granted.
   * @param {string} address
   * @param {AbortSignal} [signal]
   * @returns {Promise<boolean>} whether access was granted
   */
  async ask(address, signal) {
    const body = { SerializedPublishingLicense: toBase64(this.container.license) };
    this.answer = await post(address, body, signal);
    if (this.answer.AccessStatus !== GRANTED) return false;
    this.#key = readKey(this.answer);
    this.rights = Array.isArray(this.answer.Rights) ? this.answer.Rights.map(String) : [];
    return true;
  }

  /**
   * @param {string} worker address of the worker's module
   * @param {{onProgress?: (done: number) => void, signal?: AbortSignal}} [options]
   * @returns {Promise<{state: string, record: object|null}>} see judge
   */
  async checkIntegrity(worker, options) {
    const { metadata, content } = this.container;
    const registeredRoot = this.answer.IntegrityRoot ?? null;
    if (!registeredRoot && !this.license.isSealed && !isRecord(metadata)) return { state: NO_RECORD, record: null };
    const { root } = await runInWorker(worker, { kind: "hash", content }, options);
    return judge({ metadata, license: this.license, root, length: content.size, registeredRoot });
  }

  /** As checkIntegrity; the decrypted content as a blob without a type. */
  async decrypt(worker, options) {
    const { content, forcesCbc4k } = this.container;
    const mode = forcesCbc4k && this.#key.mode === ECB ? CBC4K : this.#key.mode;
    const task = { kind: "decrypt", content, key: this.#key.value, mode };
    return (await runInWorker(worker, task, options)).plaintext;
  }
}
