/** The gateway's pages for programs: types, answers, and a client that retries as it should. */
export { createClient } from "./client.js";
export { dataOf, isThere } from "./page.js";
export { DEFAULT_POLICY, RetryBudget, waitBeforeRetry } from "./retry.js";
export { parseServerTiming } from "./timing.js";
