/** Heavy work in a worker, so that the page stays usable: both ends of the conversation. */

import { RmsError } from "./errors.js";

/**
 * Runs one task in a worker of its own and ends the worker afterwards.
 * @param {string} url of the worker's module
 * @param {object} task
 * @param {{onProgress?: (done: number) => void, signal?: AbortSignal}} [options] `done` in bytes
 * @returns {Promise<object>} the worker's result
 */
export function runInWorker(url, task, { onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const worker = new Worker(url, { type: "module" });
    const settle = (action, value) => {
      worker.terminate();
      signal?.removeEventListener("abort", onAbort);
      action(value);
    };
    const onAbort = () => settle(reject, signal.reason);
    signal?.addEventListener("abort", onAbort);
    worker.onmessage = ({ data }) => {
      if (data.kind === "progress") onProgress(data.done);
      else if (data.kind === "result") settle(resolve, data.result);
      else settle(reject, new RmsError(data.code, data.message));
    };
    worker.onerror = () => settle(reject, new RmsError("unexpected", "the worker failed"));
    worker.postMessage(task);
  });
}

/**
 * Answers the tasks of `runInWorker`; called once, in the worker.
 * @param {(task: object, progress: (done: number) => void) => Promise<object>} work
 */
export function serveTasks(work) {
  const progress = (done) => self.postMessage({ kind: "progress", done });
  self.addEventListener("message", async ({ data }) => {
    try {
      self.postMessage({ kind: "result", result: await work(data, progress) });
    } catch (error) {
      self.postMessage({ kind: "error", code: codeOf(error), message: error.message });
    }
  });
}

function codeOf(error) {
  if (error instanceof RmsError) return error.code;
  // What reading a file throws when it was deleted, changed or locked meanwhile.
  if (error instanceof DOMException && error.name.startsWith("Not")) return "unreadable";
  return error instanceof RangeError ? "out-of-memory" : "unexpected";
}
