/**
 * Asks a gateway for pages.
 *
 * Always holds: every way an answer can be is a value, so nothing but the caller's own abort is
 * thrown; an attempt ends at its timeout whether or not anything was answered; a retry is made only
 * where `retry.ts` has one, the budget has one, and there is time for its wait.
 */
import { DEFAULT_POLICY, RetryBudget, waitBeforeRetry } from "./retry.js";
import { parseServerTiming } from "./timing.js";
const PATIENCE_MS = 10_000;
/** How much longer than its timeout an attempt may take: the answer has to travel. */
const GRACE_MS = 500;
const SYSTEM_CLOCK = {
    now: () => performance.now(),
    sleep: (ms, signal) => new Promise((resolve, reject) => {
        if (signal?.aborted)
            return reject(signal.reason);
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
export function createClient(options = {}) {
    const baseUrl = (options.baseUrl ?? "").replace(/\/$/, "");
    const patienceMs = options.patienceMs ?? PATIENCE_MS;
    const policy = { ...DEFAULT_POLICY, ...options.retry };
    const budget = options.budget ?? new RetryBudget();
    const clock = options.clock ?? SYSTEM_CLOCK;
    const random = options.random ?? Math.random;
    const ask = options.fetch ?? ((input, init) => fetch(input, init));
    async function get(path, params, request = {}) {
        const url = baseUrl + fill(path, params);
        const until = clock.now() + patienceMs;
        budget.request();
        for (let attempts = 1;; attempts += 1) {
            const answer = await attempt(url, request, until - clock.now(), attempts);
            if (answer.outcome === "page")
                return answer;
            // A proxy's own 429, 502, 503 or 504 is retried as the gateway's.
            const wait = waitBeforeRetry({ ...answer, reason: reasonOf(answer) }, attempts - 1, policy, random);
            if (wait === undefined || clock.now() + wait >= until || !budget.take())
                return answer;
            await clock.sleep(wait, request.signal);
        }
    }
    /** One exchange, which takes no longer than its own timeout and what is left of the patience. */
    async function attempt(url, request, leftMs, attempts) {
        request.signal?.throwIfAborted();
        const cut = new AbortController();
        const abort = () => cut.abort(request.signal?.reason);
        request.signal?.addEventListener("abort", abort, { once: true });
        const tooLate = new Error("no answer in time");
        const watch = new AbortController();
        const limitMs = Math.min(leftMs, request.timeoutMs === undefined ? Infinity : request.timeoutMs + GRACE_MS);
        clock.sleep(limitMs, watch.signal).then(() => cut.abort(tooLate), () => { });
        try {
            const response = await ask(url, { headers: headersOf(request, leftMs), signal: cut.signal });
            return await read(response, attempts);
        }
        catch (error) {
            request.signal?.throwIfAborted();
            const why = cut.signal.aborted ? "timeout" : "unreachable";
            return { outcome: "failed", why, status: undefined, retryAfterMs: undefined, error, attempts };
        }
        finally {
            watch.abort();
            request.signal?.removeEventListener("abort", abort);
        }
    }
    return { get };
}
/** Every problem has one, whatever the page. */
function reasonOf(answer) {
    return answer.outcome === "refused" ? answer.problem.reason : undefined;
}
/** The path with its own parameters in it, and the others as its query. */
function fill(path, values) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) {
        if (value !== undefined && !path.includes(`{${name}}`))
            query.append(name, value);
    }
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name] ?? ""));
    const written = query.toString();
    return written === "" ? filled : `${filled}?${written}`;
}
function headersOf(request, leftMs) {
    const headers = new Headers(request.headers);
    if (!headers.has("accept"))
        headers.set("accept", "application/json, application/problem+json");
    if (request.timeoutMs !== undefined) {
        headers.set("x-request-timeout-ms", String(Math.max(1, Math.floor(Math.min(request.timeoutMs, leftMs)))));
    }
    return headers;
}
async function read(response, attempts) {
    const kind = (response.headers.get("content-type") ?? "").split(";")[0]?.trim();
    const about = {
        requestId: response.headers.get("x-request-id") ?? undefined,
        traceparent: response.headers.get("traceparent") ?? undefined,
        timings: parseServerTiming(response.headers.get("server-timing")),
        attempts,
    };
    if (response.status === 200 && kind === "application/json") {
        return { outcome: "page", page: (await response.json()), ...about };
    }
    if (kind === "application/problem+json") {
        const problem = (await response.json());
        const { status } = response;
        return { outcome: "refused", status, problem, retryAfterMs: retryAfterMs(response), ...about };
    }
    await response.body?.cancel();
    const { status } = response;
    const error = new Error(`an answer of ${kind || "no type"} with status ${status}`);
    return { outcome: "failed", why: "not_the_gateway", status, retryAfterMs: retryAfterMs(response), error, attempts };
}
/** `Retry-After` in seconds; a date, which this gateway never sends, counts as nothing. */
function retryAfterMs(response) {
    const header = response.headers.get("retry-after");
    return header !== null && /^[0-9]+$/.test(header) ? Number(header) * 1000 : undefined;
}
