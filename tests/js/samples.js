/** Files protected by another client, with their content keys; they live outside the repository. */

import { fileURLToPath } from "node:url";
import { existsSync, openAsBlob, readFileSync } from "node:fs";
import { join } from "node:path";

export const SAMPLES = process.env.RIGHTSKEEP_SAMPLES ?? fileURLToPath(new URL("../../../shared/samples", import.meta.url));

/** Value for the `skip` option of a test: false, or the reason, which the runner prints. */
export const samplesMissing = existsSync(SAMPLES) ? false : `no sample files in ${SAMPLES} (set RIGHTSKEEP_SAMPLES)`;

export const knownKeyFiles = samplesMissing
  ? []
  : JSON.parse(readFileSync(join(SAMPLES, "known-key", "vectors.json"), "utf8"));

/** @returns {Promise<Blob>} */
export const sample = (...path) => openAsBlob(join(SAMPLES, ...path));
