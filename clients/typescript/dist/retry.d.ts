/**
 * When to ask again, and how long to wait before: pure, with chance passed in.
 *
 * Always holds: never before the time that `Retry-After` says; never for what asking again cannot
 * help; after what made the services work (502, 504) once at most; and never more retries than the
 * budget has, so that a gateway in trouble is not given more of it.
 */
/** How one attempt ended that brought no page. */
export interface Ended {
    /** The answer's status; nothing if there was no answer. */
    status?: number | undefined;
    /** Why the gateway has no page, if it says so. */
    reason?: string | undefined;
    /** What the answer says of when to come back. */
    retryAfterMs?: number | undefined;
}
export interface RetryPolicy {
    /** Most retries after refusals that cost the services nothing: 429 and 503. */
    afterRefusals: number;
    /** Most retries after attempts that may have: 502, 504, `downstream_busy`, and no answer. */
    afterFailures: number;
    /** The first wait is drawn from zero to this; each next from twice as much. */
    baseMs: number;
    /** No wait is drawn from more than this. */
    capMs: number;
}
export declare const DEFAULT_POLICY: RetryPolicy;
/**
 * Milliseconds to wait before the next attempt, or nothing if there should be none.
 *
 * Full jitter: uniformly from zero to the backoff, on top of what the gateway asked for.
 *
 * @param retries how many there were before
 * @param random from 0 up to, not including, 1
 */
export declare function waitBeforeRetry(ended: Ended, retries: number, policy: RetryPolicy, random: () => number): number | undefined;
/**
 * How many retries a client may make, in proportion to its requests.
 *
 * Each request adds `share` of a retry, up to `most`; each retry takes one. One budget is shared by
 * all requests to a gateway: share the client.
 */
export declare class RetryBudget {
    #private;
    /** Full at first, so that the requests of a page that has just been opened can be retried. */
    constructor({ share, most }?: {
        share?: number;
        most?: number;
    });
    /** A request is made, for the first time. */
    request(): void;
    /** Takes one retry, if there is one. */
    take(): boolean;
}
