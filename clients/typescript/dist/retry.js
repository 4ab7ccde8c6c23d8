/**
 * When to ask again, and how long to wait before: pure, with chance passed in.
 *
 * Always holds: never before the time that `Retry-After` says; never for what asking again cannot
 * help; after what made the services work (502, 504) once at most; and never more retries than the
 * budget has, so that a gateway in trouble is not given more of it.
 */
export const DEFAULT_POLICY = { afterRefusals: 2, afterFailures: 1, baseMs: 1000, capMs: 10_000 };
/**
 * Milliseconds to wait before the next attempt, or nothing if there should be none.
 *
 * Full jitter: uniformly from zero to the backoff, on top of what the gateway asked for.
 *
 * @param retries how many there were before
 * @param random from 0 up to, not including, 1
 */
export function waitBeforeRetry(ended, retries, policy, random) {
    if (retries >= mostRetries(ended, policy))
        return undefined;
    const backoff = Math.min(policy.capMs, policy.baseMs * 2 ** retries);
    return (ended.retryAfterMs ?? 0) + random() * backoff;
}
function mostRetries({ status, reason }, policy) {
    // As much time again would not suffice either.
    if (reason === "client_budget")
        return 0;
    switch (status) {
        case 429:
            // A service's own refusal: the others had been asked as well.
            return reason === "downstream_busy" ? policy.afterFailures : policy.afterRefusals;
        case 503:
            return policy.afterRefusals;
        case undefined:
        case 502:
        case 504:
            return policy.afterFailures;
        default:
            return 0;
    }
}
/**
 * How many retries a client may make, in proportion to its requests.
 *
 * Each request adds `share` of a retry, up to `most`; each retry takes one. One budget is shared by
 * all requests to a gateway: share the client.
 */
export class RetryBudget {
    #share;
    #most;
    #left;
    /** Full at first, so that the requests of a page that has just been opened can be retried. */
    constructor({ share = 0.1, most = 10 } = {}) {
        this.#share = share;
        this.#most = most;
        this.#left = most;
    }
    /** A request is made, for the first time. */
    request() {
        this.#left = Math.min(this.#most, this.#left + this.#share);
    }
    /** Takes one retry, if there is one. */
    take() {
        // A tenth, ten times, is a little less than one.
        if (this.#left < 1 - 1e-9)
            return false;
        this.#left = Math.max(0, this.#left - 1);
        return true;
    }
}
