/**
 * Asks a gateway for pages.
 *
 * Always holds: every way an answer can be is a value, so nothing but the caller's own abort is
 * thrown; an attempt ends at its timeout whether or not anything was answered; a retry is made only
 * where `retry.ts` has one, the budget has one, and there is time for its wait.
 */

import type { PageOf, PagePath, ParamsOf, ProblemOf } from "./page.js";
import { DEFAULT_POLICY, RetryBudget, waitBeforeRetry } from "./retry.js";
import type { RetryPolicy } from "./retry.js";
import { parseServerTiming } from "./timing.js";
import type { Timing } from "./timing.js";

/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds, from any beginning. */
  now(): number;
  /** Resolves after so many milliseconds; rejects with the signal's reason if it aborts before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface ClientOptions {
  /** Of the gateway's public listener; "" is where the page came from. */
  baseUrl?: string;
  /** All attempts and waits of a request together; default 10 s. */
  patienceMs?: number;
  retry?: Partial<RetryPolicy>;
  budget?: RetryBudget;
  fetch?: typeof fetch;
  clock?: Clock;
  random?: () => number;
}

export interface RequestOptions {
  /** Of one attempt: sent as X-Request-Timeout-Ms, so that the gateway stops when nobody waits. */
  timeoutMs?: number;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

interface About {
  /** For whoever looks at the gateway's logs and traces. */
  requestId: string | undefined;
  traceparent: string | undefined;
  timings: Timing[];
  /** How often the gateway was asked. */
  attempts: number;
}

/** A page; complete, or with what is missing named. */
export interface Served<P extends PagePath> extends About {
  outcome: "page";
  page: PageOf<P>;
}

/** The gateway says why there is no page. */
export interface Refused<P extends PagePath> extends About {
  outcome: "refused";
  status: number;
  problem: ProblemOf<P>;
  retryAfterMs: number | undefined;
}

/** No answer, or none of the gateway's. */
export interface Failed {
  outcome: "failed";
  why: "unreachable" | "timeout" | "not_the_gateway";
  /** Of something between here and the gateway. */
  status: number | undefined;
  retryAfterMs: number | undefined;
  error: unknown;
  attempts: number;
}

export type Answer<P extends PagePath> = Served<P> | Refused<P> | Failed;

export interface Client {
  /**
   * The page at `path`, with its parameters.
   *
   * @throws the reason of `signal` when that aborts, and nothing else
   */
  get<P extends PagePath>(path: P, params: ParamsOf<P>, options?: RequestOptions): Promise<Answer<P>>;
}

const PATIENCE_MS = 10_000;

/** How much longer than its timeout an attempt may take: the answer has to travel. */
const GRACE_MS = 500;

const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const aborted = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      }, ms);
      signal?.addEventListener("abort", aborted, { once: true });
    }),
};

export function createClient(options: ClientOptions = {}): Client {
  const baseUrl = (options.baseUrl ?? "").replace(/\/$/, "");
  const patienceMs = options.patienceMs ?? PATIENCE_MS;
  const policy = { ...DEFAULT_POLICY, ...options.retry };
  const budget = options.budget ?? new RetryBudget();
  const clock = options.clock ?? SYSTEM_CLOCK;
  const random = options.random ?? Math.random;
  const ask = options.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, init));

  async function get<P extends PagePath>(path: P, params: ParamsOf<P>, request: RequestOptions = {}): Promise<Answer<P>> {
    const url = baseUrl + fill(path, params as Record<string, string | undefined>);
    const until = clock.now() + patienceMs;
    budget.request();
    for (let attempts = 1; ; attempts += 1) {
      const answer = await attempt<P>(url, request, until - clock.now(), attempts);
      if (answer.outcome === "page") return answer;
      // A proxy's own 429, 502, 503 or 504 is retried as the gateway's.
      const wait = waitBeforeRetry({ ...answer, reason: reasonOf(answer) }, attempts - 1, policy, random);
      if (wait === undefined || clock.now() + wait >= until || !budget.take()) return answer;
      await clock.sleep(wait, request.signal);
    }
  }

  /** One exchange, which takes no longer than its own timeout and what is left of the patience. */
  async function attempt<P extends PagePath>(url: string, request: RequestOptions, leftMs: number, attempts: number): Promise<Answer<P>> {
    request.signal?.throwIfAborted();
    const cut = new AbortController();
    const abort = () => cut.abort(request.signal?.reason);
    request.signal?.addEventListener("abort", abort, { once: true });
    const tooLate = new Error("no answer in time");
    const watch = new AbortController();
    const limitMs = Math.min(leftMs, request.timeoutMs === undefined ? Infinity : request.timeoutMs + GRACE_MS);
    clock.sleep(limitMs, watch.signal).then(
      () => cut.abort(tooLate),
      () => {},
    );
    try {
      const response = await ask(url, { headers: headersOf(request, leftMs), signal: cut.signal });
      return await read<P>(response, attempts);
    } catch (error) {
      request.signal?.throwIfAborted();
      const why = cut.signal.aborted ? "timeout" : "unreachable";
      return { outcome: "failed", why, status: undefined, retryAfterMs: undefined, error, attempts };
    } finally {
      watch.abort();
      request.signal?.removeEventListener("abort", abort);
    }
  }

  return { get };
}

/** Every problem has one, whatever the page. */
function reasonOf(answer: Failed | { outcome: "refused"; problem: unknown }): string | undefined {
  return answer.outcome === "refused" ? (answer.problem as { reason: string }).reason : undefined;
}

/** The path with its own parameters in it, and the others as its query. */
function fill(path: string, values: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && !path.includes(`{${name}}`)) query.append(name, value);
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ""));
  const written = query.toString();
  return written === "" ? filled : `${filled}?${written}`;
}

function headersOf(request: RequestOptions, leftMs: number): Headers {
  const headers = new Headers(request.headers);
  if (!headers.has("accept")) headers.set("accept", "application/json, application/problem+json");
  if (request.timeoutMs !== undefined) {
    headers.set("x-request-timeout-ms", String(Math.max(1, Math.floor(Math.min(request.timeoutMs, leftMs)))));
  }
  return headers;
}

async function read<P extends PagePath>(response: Response, attempts: number): Promise<Answer<P>> {
  const kind = (response.headers.get("content-type") ?? "").split(";")[0]?.trim();
  const about = {
    requestId: response.headers.get("x-request-id") ?? undefined,
    traceparent: response.headers.get("traceparent") ?? undefined,
    timings: parseServerTiming(response.headers.get("server-timing")),
    attempts,
  };
  if (response.status === 200 && kind === "application/json") {
    return { outcome: "page", page: (await response.json()) as PageOf<P>, ...about };
  }
  if (kind === "application/problem+json") {
    const problem = (await response.json()) as ProblemOf<P>;
    const { status } = response;
    return { outcome: "refused", status, problem, retryAfterMs: retryAfterMs(response), ...about };
  }
  await response.body?.cancel();
  const { status } = response;
  const error = new Error(`an answer of ${kind || "no type"} with status ${status}`);
  return { outcome: "failed", why: "not_the_gateway", status, retryAfterMs: retryAfterMs(response), error, attempts };
}

/** `Retry-After` in seconds; a date, which this gateway never sends, counts as nothing. */
function retryAfterMs(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  return header !== null && /^[0-9]+$/.test(header) ? Number(header) * 1000 : undefined;
}
