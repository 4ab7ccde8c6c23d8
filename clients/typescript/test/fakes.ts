/** A clock that only moves when somebody sleeps, and a gateway that answers what it is told to. */

import type { Clock } from "../src/client.js";

export class FakeClock implements Clock {
  time = 0;
  readonly slept: number[] = [];
  #watches: { at: number; resolve: () => void }[] = [];

  now(): number {
    return this.time;
  }

  /** A wait that can be called off is a watch: it ends when the time comes by other ways. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const watch = { at: this.time + ms, resolve };
      this.#watches.push(watch);
      signal?.addEventListener("abort", () => {
        this.#watches = this.#watches.filter((other) => other !== watch);
        reject(signal.reason);
      });
    });
  }

  /** Moves to the next instant at which something happens. */
  async step(): Promise<void> {
    const next = this.#watches.sort((a, b) => a.at - b.at).shift();
    if (next === undefined) throw new Error("nothing is waited for");
    this.slept.push(next.at - this.time);
    this.time = next.at;
    next.resolve();
    await settled();
  }
}

/** Lets everything that can run run. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

export type Scripted = Response | Error | "never";

/** Answers one after the other; what was asked is kept. */
export function scripted(...answers: Scripted[]) {
  const asked: { url: string; headers: Headers }[] = [];
  const fetch = (url: unknown, init?: RequestInit): Promise<Response> => {
    asked.push({ url: String(url), headers: new Headers(init?.headers) });
    const answer = answers.shift();
    if (answer === undefined) throw new Error("asked more often than expected");
    if (answer instanceof Response) return Promise.resolve(answer);
    if (answer instanceof Error) return Promise.reject(answer);
    return new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
  };
  return { asked, fetch: fetch as typeof globalThis.fetch };
}

export function page(body: unknown = { complete: true, missing: [], parts: {} }): Response {
  const headers = {
    "content-type": "application/json",
    "x-request-id": "r-1",
    "server-timing": 'admission;dur=0.00, product;dur=19.79;desc="ok", total;dur=39.14',
  };
  return new Response(JSON.stringify(body), { status: 200, headers });
}

export function problem(status: number, reason: string, retryAfter?: number): Response {
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
  return new Response(JSON.stringify({ status, reason }), { status, headers });
}
