// The five fakes: slowed and healed through their control API, which is Toxiproxy's.

import { byId, el, mark } from "./dom.js";

/** Far beyond every deadline. */
const SLOW_MS = 1500;

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
async function control(path, init) {
  const answer = await fetch(`/control${path}`, init);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** @param {string} name */
const slow = (name) => {
  const toxic = { name: "slow", type: "latency", attributes: { latency: SLOW_MS } };
  return control(`/proxies/${name}/toxics`, { method: "POST", body: JSON.stringify(toxic) });
};

/** @param {string} name */
const heal = (name) => control(`/proxies/${name}/toxics/slow`, { method: "DELETE" });

export const healAll = () => control("/reset", { method: "POST" });

/**
 * Shows each service as it is now, with a button that changes it.
 *
 * @param {import("./answer.js").About} about
 * @param {() => void} changed a service was slowed or healed
 */
export async function showServices(about, changed) {
  /** @type {Record<string, {toxics: {name: string}[]}>} */
  const proxies = await (await control("/proxies")).json();
  const list = byId("services");
  const focused = document.activeElement?.getAttribute("data-service") ?? undefined;
  const rows = about.parts.map(({ name, required }) => {
    const isSlow = proxies[name]?.toxics.some((toxic) => toxic.name === "slow") ?? false;
    const words = isSlow ? "Heal" : "Slow down";
    const button = el("button", { type: "button", class: "quiet", "data-service": name, "aria-label": `${words} ${name}` }, words);
    button.addEventListener("click", async () => {
      // Not `disabled`, which would take the focus away from it.
      if (button.getAttribute("aria-disabled")) return;
      button.setAttribute("aria-disabled", "true");
      await (isSlow ? heal(name) : slow(name)).catch(console.error);
      await showServices(about, changed);
      changed();
    });
    const state = isSlow ? `slow, ${SLOW_MS / 1000} s` : "healthy";
    return el("li", {},
      mark(isSlow ? "refused" : "complete"),
      el("span", "name", name, el("span", "muted", `${state}, ${required ? "required" : "optional"}`)),
      button);
  });
  list.replaceChildren(...rows);
  const again = [...list.querySelectorAll("button")].find((button) => button.dataset["service"] === focused);
  again?.focus();
}
