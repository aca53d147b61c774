/** Calls to the service with the session of the page. */

import { RmsError } from "./errors.js";

function requestHeaders() {
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  return { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token };
}

async function answerOf(response) {
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  if (!isJson) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/**
 * @param {string} url
 * @param {object} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>}
 * @throws {RmsError} refused (details.message is the service's sentence, details.reason its code), signed-out,
 *   forbidden, network, server; DOMException AbortError when `signal` fires
 */
export async function post(url, body, signal) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: requestHeaders(),
      body: JSON.stringify(body),
      credentials: "same-origin",
      redirect: "manual",
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RmsError("network", "the service did not answer");
  }
  // The only redirect these addresses know leads to the sign-in page.
  if (response.type === "opaqueredirect" || response.status === 401) throw new RmsError("signed-out");
  const answer = await answerOf(response);
  if (response.ok && answer !== null && typeof answer === "object") return answer;
  if (response.status >= 400 && response.status < 500 && typeof answer?.Message === "string") {
    throw new RmsError("refused", "the service refused", { message: answer.Message, reason: String(answer.Code ?? "") });
  }
  if (response.status === 403) throw new RmsError("forbidden");
  if (response.status === 413) throw new RmsError("too-large");
  throw new RmsError("server", `answer ${response.status}`);
}
