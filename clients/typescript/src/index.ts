/** The gateway's pages for programs: types, answers, and a client that retries as it should. */

export { createClient } from "./client.js";
export type { Answer, Client, ClientOptions, Clock, Failed, Refused, RequestOptions, Served } from "./client.js";
export { dataOf, isThere } from "./page.js";
export type { PageOf, PagePath, ParamsOf, ProblemOf } from "./page.js";
export { DEFAULT_POLICY, RetryBudget, waitBeforeRetry } from "./retry.js";
export type { Ended, RetryPolicy } from "./retry.js";
export { parseServerTiming } from "./timing.js";
export type { Timing } from "./timing.js";
export type { components, operations, paths } from "./openapi.js";
