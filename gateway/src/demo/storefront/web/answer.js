// One answer of the gateway: what became of the page, in a line, and where its time went.

import { el, mark, milliseconds } from "./dom.js";

/** @typedef {import("../../../../../clients/typescript/dist/index.js").Answer<"/product-page/{id}">} Answer */
/** @typedef {import("../../../../../clients/typescript/dist/index.js").Timing} Timing */
/** @typedef {{deadline_ms: number | null, burst: number, parts: {name: string, required: boolean, timeout_ms: number | null}[]}} About */

/**
 * What the gateway decided, by the reason that it gives.
 *
 * @type {Record<string, {words: string, why: string}>}
 */
export const REASONS = {
  deadline: { words: "too late", why: "A required part had not come at the deadline. Whatever was still running was cancelled, and the services stopped working on it." },
  client_budget: { words: "out of the client's time", why: "The client gave the page less time than its services took. What was running was cancelled, and nobody is to blame." },
  downstream_failed: { words: "a service failed", why: "A required part could not be used. The other calls were cancelled at once." },
  not_found: { words: "no such product", why: "The product service says that there is no such product." },
  client_quota: { words: "over the quota", why: "This client asks more often than clients.rate allows." },
  gateway_full: { words: "the gateway is full", why: "All tickets were out. Nothing was started." },
  bulkhead_full: { words: "no permits in time", why: "A service had no permit free within the time that a page may wait. Nothing was started." },
  queue_evicted: { words: "gave way to a newer page", why: "The queue was full and this page the oldest in it. Nothing was started." },
  deadline_unreachable: { words: "could not be in time", why: "Its time would have been over before its calls could start. Nothing was started." },
  draining: { words: "shutting down", why: "The gateway finishes what it began and takes no new pages." },
};

/**
 * The answer in one state, a few words, and a sentence.
 *
 * @param {Answer} answer
 * @returns {{state: string, words: string, why: string}}
 */
export function summary(answer) {
  if (answer.outcome === "failed") {
    return { state: "refused", words: "No answer", why: "Nothing answers here. Has the demo ended?" };
  }
  const total = answer.timings.find(({ name }) => name === "total");
  const time = total ? `, ${milliseconds(total.durationMs)}` : "";
  if (answer.outcome === "refused") {
    const { reason, detail } = answer.problem;
    const known = REASONS[reason] ?? { words: reason, why: detail };
    const wait = answer.retryAfterMs ? ` Come back after ${answer.retryAfterMs / 1000} s.` : "";
    return { state: "refused", words: `Refused: ${known.words} (${answer.status})${time}`, why: known.why + wait };
  }
  if (answer.page.complete) {
    return { state: "complete", words: `Complete${time}`, why: "Every part is there." };
  }
  const missing = answer.page.missing.join(" and ");
  return { state: "partial", words: `Without ${missing}${time}`, why: "Optional parts are waited for up to their own timeout. The page says what is missing." };
}

/** @type {Record<string, string>} */
const STATES = { ok: "complete", not_found: "complete", denied: "complete", late: "refused", failed: "refused", busy: "refused", shed: "partial", cancelled: "cancelled" };

/**
 * Bars of where the time went, against the deadline.
 *
 * @param {Timing[]} timings
 * @param {About} about
 */
export function waterfall(timings, about) {
  const of = (/** @type {string} */ name) => timings.find((timing) => timing.name === name)?.durationMs ?? 0;
  const [admission, total] = [of("admission"), of("total")];
  const span = Math.max(about.deadline_ms ?? 0, total) * 1.04 || 1;
  const rows = timings.map(({ name, durationMs, status }) => {
    const from = name === "admission" || name === "total" ? 0 : admission;
    const bar = el("span", { class: `bar ${STATES[status ?? ""] ?? "plain"}` });
    bar.style.setProperty("--from", `${(from / span) * 100}%`);
    bar.style.setProperty("--width", `${(durationMs / span) * 100}%`);
    return el("li", {},
      el("span", "name", name),
      el("span", "track", bar),
      el("span", "took", status && status !== "ok" ? el("b", {}, `${status.replace("_", " ")} `) : null, milliseconds(durationMs)));
  });
  if (rows.length === 0) return el("p", "muted", "This answer has no timings.");
  const list = el("ol", { class: "waterfall", "aria-label": "Where the time went" }, ...rows);
  if (about.deadline_ms !== null) {
    list.style.setProperty("--deadline", `${(about.deadline_ms / span) * 100}%`);
    list.append(el("li", "scale", el("span"), el("span", "track", el("span", "deadline", `deadline ${about.deadline_ms} ms`)), el("span")));
  }
  return list;
}

/** The latest answers, oldest first: a mark each, and their number in words. */
export class History {
  /** @type {string[]} */
  #states = [];

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  /** @param {string} state */
  add(state) {
    this.#states = [...this.#states, state].slice(-24);
    this.element.replaceChildren(...this.#states.map(mark));
    const count = (/** @type {string} */ which) => this.#states.filter((other) => other === which).length;
    const words = `The last ${this.#states.length} answers: ${count("complete")} complete, ${count("partial")} with something missing, ${count("refused")} refused`;
    this.element.setAttribute("aria-label", words);
  }
}
