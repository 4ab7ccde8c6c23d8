// The shop's page: asks the gateway, shows the product and what the gateway did.

import { createClient } from "../../../../../clients/typescript/dist/index.js";
import { History, summary, waterfall } from "./answer.js";
import { burstResult } from "./burst.js";
import { byId, mark } from "./dom.js";
import { notice, product } from "./product.js";
import { healAll, showServices } from "./services.js";

// What is refused is to be seen here, so nothing is asked for again behind one's back.
const gateway = createClient({ retry: { afterRefusals: 0, afterFailures: 0 } });

/** @type {import("./answer.js").About} */
const about = await (await fetch("/about")).json();
const history = new History(byId("history"));
let asked = 0;

/** The product whose page is asked for. */
let id = productOf(location.hash) ?? "p-1001";

/**
 * The product that the address bar names, if it names one.
 *
 * @param {string} hash
 */
function productOf(hash) {
  return /^#(p-[\w-]{1,60})$/.exec(hash)?.[1];
}

/** The page of the address bar, asked for and shown; an answer that another overtook is not. */
async function ask() {
  const number = (asked += 1);
  const main = byId("product");
  main.setAttribute("aria-busy", "true");
  const answer = await gateway.get("/product-page/{id}", { id });
  if (number !== asked) return;
  main.setAttribute("aria-busy", "false");
  const { state, words, why } = summary(answer);
  byId("headline").replaceChildren(mark(state), ` ${words}`);
  byId("jump").replaceChildren(mark(state), ` ${words}`);
  byId("why").textContent = why;
  byId("waterfall").replaceChildren(waterfall(answer.outcome === "failed" ? [] : answer.timings, about));
  history.add(state);
  if (answer.outcome === "page") {
    main.replaceChildren(product(answer.page));
    document.title = `${answer.page.parts.product.data.name}, Nordhaus`;
  } else if (answer.outcome === "refused" && answer.problem.reason === "not_found") {
    main.replaceChildren(notice("There is no such product", "It may have been sold out for good.", ask));
  } else {
    main.replaceChildren(notice("This page cannot be shown right now", sorry(answer), ask));
  }
}

/**
 * For whoever came to buy something.
 *
 * @param {import("./answer.js").Answer} answer
 */
function sorry(answer) {
  if (answer.outcome !== "refused") return "The shop does not answer. Please ask again in a moment.";
  if (answer.retryAfterMs === undefined) return "Something that you need to decide, such as the price, did not come in time. Rather than let you wait, the page says so. Please ask again in a moment.";
  return `More people are here than the shop can serve well. Please ask again in ${answer.retryAfterMs / 1000} s.`;
}

/** @type {ReturnType<typeof setInterval> | undefined} */
let watching;

function watch() {
  const button = byId("watch");
  if (watching === undefined) {
    watching = setInterval(ask, 1000);
    ask();
  } else {
    clearInterval(watching);
    watching = undefined;
  }
  button.setAttribute("aria-pressed", String(watching !== undefined));
}

async function burst() {
  const button = /** @type {HTMLButtonElement} */ (byId("burst"));
  button.disabled = true;
  byId("burst-result").textContent = "Under way …";
  try {
    const answer = await fetch("/burst", { method: "POST" });
    byId("burst-result").replaceChildren(burstResult(await answer.json()));
  } catch (error) {
    byId("burst-result").textContent = `It could not be sent: ${error}`;
  } finally {
    button.disabled = false;
    button.focus();
  }
}

byId("burst-size").textContent = String(about.burst);
byId("again").addEventListener("click", ask);
byId("watch").addEventListener("click", watch);
byId("burst").addEventListener("click", burst);
byId("heal").addEventListener("click", async () => {
  await healAll();
  await showServices(about, ask);
  await ask();
});
addEventListener("hashchange", () => {
  const named = productOf(location.hash);
  if (named === undefined || named === id) return;
  id = named;
  scrollTo({ top: 0 });
  ask();
});
await Promise.all([showServices(about, ask), ask()]);
