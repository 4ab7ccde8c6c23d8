// The product page, as a shop would show it: what is there, and in the place of what is not, that.

import { dataOf } from "../../../../../clients/typescript/dist/index.js";
import { drawing } from "./art.js";
import { el, mark } from "./dom.js";

/** @typedef {import("../../../../../clients/typescript/dist/index.js").PageOf<"/product-page/{id}">} Page */
/** @typedef {Page["parts"]} Parts */
/** @typedef {Parts["reviews"] | Parts["recommendations"]} Optional */

/** Why a part is not there, for whoever came to buy something. @type {Record<string, string>} */
const MISSING = {
  late: "did not come in time",
  failed: "cannot be had at the moment",
  busy: "cannot be had right now: their service is busy",
  shed: "were left out: their service is busy",
  not_found: "do not exist for this product",
};

/** @param {Page} page */
export function product(page) {
  const { product, pricing, inventory, reviews, recommendations } = page.parts;
  const about = product.data;
  return el(
    "article",
    "product",
    el("div", "hero",
      el("div", "picture", drawing(about.category, about.product_id)),
      el("div", "buy",
        el("p", "muted crumbs", about.category),
        el("h1", {}, about.name),
        el("p", "by", `by ${about.brand}`),
        rating(reviews),
        price(pricing),
        stock(inventory),
        el("p", "description", about.description),
      ),
    ),
    attributes(about.attributes),
    optional("Reviews", reviews, reviewList(reviews)),
    optional("Goes with it", recommendations, recommendationList(recommendations)),
  );
}

/** @param {Parts["reviews"]} reviews */
function rating(reviews) {
  const data = dataOf(reviews);
  if (data === undefined) return el("p", "muted rating", "No rating to show right now");
  const { rating, count } = data.aggregate;
  const stars = el("span", { class: "stars", "aria-hidden": "true" }, "★★★★★");
  stars.style.setProperty("--share", `${(rating / 5) * 100}%`);
  return el("p", "rating", stars, ` ${rating.toFixed(1)} of 5, ${count} ratings`);
}

/** @param {Parts["pricing"]} pricing */
function price({ data }) {
  const { price, list_price, discount } = data;
  const before = discount && el("s", {}, el("span", "hidden", "before "), list_price.text);
  return el("p", "price", el("strong", {}, price.text), " ", before, " ", discount && el("span", "badge", discount.label));
}

/** @param {Parts["inventory"]} inventory */
function stock({ data }) {
  const days = data.warehouses.filter(({ available }) => available > 0).map(({ delivery }) => delivery);
  const soonest = days.sort((a, b) => a.max_days - b.max_days)[0];
  const when = soonest ? `, with you in ${soonest.min_days} to ${soonest.max_days} days` : "";
  const words = { in_stock: `In stock${when}`, low_stock: `Only ${data.total} left${when}`, out_of_stock: "Sold out" };
  const state = { in_stock: "complete", low_stock: "partial", out_of_stock: "refused" }[data.availability];
  return el("p", "stock", mark(state), ` ${words[data.availability]}`);
}

/** @param {Record<string, string>} attributes */
function attributes(attributes) {
  const rows = Object.entries(attributes).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  return el("section", { class: "details", "aria-label": "Details" }, el("h2", {}, "Details"), el("dl", {}, ...rows));
}

/**
 * @param {string} title
 * @param {Optional} part
 * @param {Node | undefined} content
 */
function optional(title, part, content) {
  const missing = () => {
    const soon = "retryable" in part && part.retryable ? " Ask again in a moment." : "";
    return el("p", "missing", mark("partial"), ` ${title === "Reviews" ? "Reviews" : "Suggestions"} ${MISSING[part.status]}.${soon}`);
  };
  return el("section", { "aria-label": title }, el("h2", {}, title), content ?? missing());
}

/** @param {Parts["reviews"]} reviews */
function reviewList(reviews) {
  const shown = dataOf(reviews)?.reviews.slice(0, 3);
  const one = (/** @type {NonNullable<typeof shown>[number]} */ { title, text, author, rating, verified_purchase }) =>
    el("li", {}, el("p", "says", `${"★".repeat(rating)}`, el("b", {}, ` ${title}`)), el("p", {}, text),
      el("p", "muted", author, verified_purchase ? ", bought it here" : ""));
  return shown && el("ul", "reviews", ...shown.map(one));
}

/** @param {Parts["recommendations"]} recommendations */
function recommendationList(recommendations) {
  const shown = dataOf(recommendations)?.items.slice(0, 6);
  const one = (/** @type {NonNullable<typeof shown>[number]} */ { product_id, name, brand, reason }) =>
    el("li", {}, el("a", { href: `#${product_id}` }, el("span", "name", name), el("span", "muted", brand),
      el("span", "badge quiet", reason === "similar" ? "similar" : "bought together")));
  return shown && el("ul", "suggestions", ...shown.map(one));
}

/**
 * In the place of a product: that there is none, and what to do.
 *
 * @param {string} title
 * @param {string} words
 * @param {() => void} again
 */
export function notice(title, words, again) {
  const button = el("button", { type: "button" }, "Ask again");
  button.addEventListener("click", again);
  return el("article", "notice", el("h1", {}, title), el("p", {}, words),
    el("p", "row", button, el("a", { class: "link", href: "#p-1001" }, "To the first product")));
}
