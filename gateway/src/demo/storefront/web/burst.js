// A burst: how many pages were served, how many refused and why, and how soon each was told.

import { REASONS } from "./answer.js";
import { el, mark, milliseconds } from "./dom.js";

/** @typedef {{status: number, complete: boolean | null, reason: string | null, ms: number}} One */

/**
 * @param {One} one
 * @returns {{state: string, words: string}}
 */
function kind({ status, complete, reason }) {
  if (status === 200) return complete ? { state: "complete", words: "served, complete" } : { state: "partial", words: "served, something missing" };
  const words = `${status || "no answer"}: ${REASONS[reason ?? ""]?.words ?? reason ?? ""}`;
  return { state: status === 429 ? "shed" : "refused", words: `refused ${words}` };
}

/** @param {number[]} sorted */
const median = (sorted) => sorted[Math.floor(sorted.length / 2)] ?? 0;

/** @param {{took_ms: number, answers: One[]}} burst */
export function burstResult({ took_ms, answers }) {
  /** @type {Map<string, {state: string, times: number[]}>} */
  const kinds = new Map();
  for (const one of answers) {
    const { state, words } = kind(one);
    const known = kinds.get(words) ?? { state, times: [] };
    known.times.push(one.ms);
    kinds.set(words, known);
  }
  const order = ["complete", "partial", "shed", "refused"];
  const sorted = [...kinds].sort(([, a], [, b]) => order.indexOf(a.state) - order.indexOf(b.state));
  const segments = sorted.map(([, { state, times }]) => {
    const segment = el("span", `segment ${state}`);
    segment.style.setProperty("--width", `${(times.length / answers.length) * 100}%`);
    return segment;
  });
  const rows = sorted.map(([words, { state, times }]) => {
    times.sort((a, b) => a - b);
    return el("li", {}, mark(state), el("b", {}, ` ${times.length} `), words, el("span", "muted", `, half within ${milliseconds(median(times))}, all within ${milliseconds(times.at(-1) ?? 0)}`));
  });
  const served = answers.filter(({ status }) => status === 200).length;
  return el("div", {},
    el("p", "headline", mark(served ? "complete" : "refused"), ` ${served} of ${answers.length} served in ${milliseconds(took_ms)}`),
    el("div", { class: "segments", "aria-hidden": "true" }, ...segments),
    el("ul", "legend", ...rows));
}
