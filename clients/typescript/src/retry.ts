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

export const DEFAULT_POLICY: RetryPolicy = { afterRefusals: 2, afterFailures: 1, baseMs: 1000, capMs: 10_000 };

/**
 * Milliseconds to wait before the next attempt, or nothing if there should be none.
 *
 * Full jitter: uniformly from zero to the backoff, on top of what the gateway asked for.
 *
 * @param retries how many there were before
 * @param random from 0 up to, not including, 1
 */
export function waitBeforeRetry(ended: Ended, retries: number, policy: RetryPolicy, random: () => number): number | undefined {
  if (retries >= mostRetries(ended, policy)) return undefined;
  const backoff = Math.min(policy.capMs, policy.baseMs * 2 ** retries);
  return (ended.retryAfterMs ?? 0) + random() * backoff;
}

function mostRetries({ status, reason }: Ended, policy: RetryPolicy): number {
  // As much time again would not suffice either.
  if (reason === "client_budget") return 0;
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
  readonly #share: number;
  readonly #most: number;
  #left: number;

  /** Full at first, so that the requests of a page that has just been opened can be retried. */
  constructor({ share = 0.1, most = 10 }: { share?: number; most?: number } = {}) {
    this.#share = share;
    this.#most = most;
    this.#left = most;
  }

  /** A request is made, for the first time. */
  request(): void {
    this.#left = Math.min(this.#most, this.#left + this.#share);
  }

  /** Takes one retry, if there is one. */
  take(): boolean {
    // A tenth, ten times, is a little less than one.
    if (this.#left < 1 - 1e-9) return false;
    this.#left = Math.max(0, this.#left - 1);
    return true;
  }
}
