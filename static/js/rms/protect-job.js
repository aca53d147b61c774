/** One file on its way to being a protected one; each step is done once, so that a failed job can go on. */

import { fromBase64, normalGuid, toBase64, toHex } from "./encoding.js";
import { RmsError } from "./errors.js";
import { protectedName, splitName } from "./file-names.js";
import { RECORD_SPACE } from "./integrity.js";
import { buildPfileHead } from "./pfile.js";
import { post } from "./service.js";
import { runInWorker } from "./work.js";

/** Whether a file is a protected one already. */
export async function isProtected(file) {
  return (await file.slice(0, 6).text()) === ".pfile";
}

export class ProtectJob {
  #license = null;
  #key = null;
  #encrypted = null;
  #record = null;

  /**
   * @param {File} file
   * @param {{license: string, seal: string, worker: string}} addresses
   */
  constructor(file, addresses) {
    this.file = file;
    this.addresses = addresses;
    this.name = protectedName(file.name);
    this.contentId = null;
  }

  /**
   * Registers the document with the service, which makes its key and its license.
   * @param {object} request see publishingRequest
   * @param {AbortSignal} [signal]
   */
  async license(request, signal) {
    const answer = await post(this.addresses.license, request, signal);
    try {
      this.#license = fromBase64(answer.SerializedPublishingLicense);
      this.#key = fromBase64(answer.Key.Value);
      this.contentId = normalGuid(answer.ContentId);
    } catch {
      throw new RmsError("server", "the answer is no license");
    }
  }

  /**
   * Encrypts, seals and assembles.
   * @param {(done: number) => void} onProgress bytes encrypted
   * @param {AbortSignal} signal
   * @returns {Promise<Blob>} the protected file
   */
  async finish(onProgress, signal) {
    const task = { file: this.file, key: this.#key };
    this.#encrypted ??= await runInWorker(this.addresses.worker, task, { onProgress, signal });
    this.#record ??= await this.#seal(signal);
    const metadata = new Uint8Array(RECORD_SPACE);
    metadata.set(this.#record);
    const head = buildPfileHead({
      extension: splitName(this.file.name)[1],
      license: this.#license,
      metadata,
      originalSize: this.file.size,
    });
    return new Blob([head, this.#encrypted.content], { type: "application/octet-stream" });
  }

  async #seal(signal) {
    const body = {
      ContentId: this.contentId,
      SerializedPublishingLicense: toBase64(this.#license),
      Root: toHex(this.#encrypted.root),
      Length: this.#encrypted.content.size,
    };
    const answer = await post(this.addresses.seal, body, signal);
    const record = typeof answer.Record === "string" ? fromBase64(answer.Record) : new Uint8Array(0);
    if (record.length === 0 || record.length > RECORD_SPACE) throw new RmsError("server", "no usable record");
    return record;
  }
}
