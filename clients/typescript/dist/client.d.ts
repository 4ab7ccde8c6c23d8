/**
 * Asks a gateway for pages.
 *
 * Always holds: every way an answer can be is a value, so nothing but the caller's own abort is
 * thrown; an attempt ends at its timeout whether or not anything was answered; a retry is made only
 * where `retry.ts` has one, the budget has one, and there is time for its wait.
 */
import type { PageOf, PagePath, ParamsOf, ProblemOf } from "./page.js";
import { RetryBudget } from "./retry.js";
import type { RetryPolicy } from "./retry.js";
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
export declare function createClient(options?: ClientOptions): Client;
export {};
