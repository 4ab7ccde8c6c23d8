/** What the compiler holds callers to: each `@ts-expect-error` fails the build where nothing is wrong. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { dataOf, isThere } from "../src/page.js";
import type { PageOf, ParamsOf, ProblemOf } from "../src/page.js";

type Page = PageOf<"/product-page/{id}">;

const PARTIAL = {
  complete: false,
  missing: ["reviews"],
  parts: {
    pricing: { status: "ok", data: { price: { currency: "EUR", amount_cents: 16915, text: "169.15 €" } } },
    reviews: { status: "late", retryable: true },
    recommendations: { status: "not_found" },
  },
} as unknown as Page;

/** Unlike `assert.equal` it narrows nothing. */
const same = (found: unknown, expected: unknown) => assert.ok(Object.is(found, expected));

test("data of an optional part is reached only where its status is ok", () => {
  const { reviews, pricing, recommendations } = PARTIAL.parts;
  // @ts-expect-error: it may be missing
  same(reviews.data, undefined);
  if (reviews.status === "ok") same(typeof reviews.data.aggregate.rating, "number");
  // @ts-expect-error: a part that is there has nothing to retry
  if (reviews.status === "ok") same(reviews.retryable, undefined);
  if (reviews.status === "late") same(reviews.retryable, true);
  if (reviews.status === "busy") same(reviews.retryable, true);
  // @ts-expect-error: what it may pass on is listed
  if (recommendations.status === "busy") same(recommendations, undefined);
  // @ts-expect-error: no part ends so
  same(reviews.status === "slow", false);
  const text: string = pricing.data.price.text;
  same(text, "169.15 €");
  assert.deepEqual([isThere(reviews), isThere(pricing), isThere(recommendations)], [false, true, false]);
  const rating: number | undefined = dataOf(reviews)?.aggregate.rating;
  assert.deepEqual([rating, dataOf(pricing)?.price.amount_cents], [undefined, 16915]);
});

test("of a complete page no part is lost, and missing names optional parts only", () => {
  if (PARTIAL.complete) {
    const status: "ok" | "not_found" = PARTIAL.parts.reviews.status;
    same(status, undefined);
  } else {
    const missing: ("reviews" | "recommendations")[] = PARTIAL.missing;
    assert.deepEqual(missing, ["reviews"]);
  }
});

test("statuses and reasons of problems are closed sets that go together", () => {
  const problem = { status: 504, reason: "deadline" } as ProblemOf<"/product-page/{id}">;
  if (problem.status === 504) {
    const reason: "deadline" | "client_budget" = problem.reason;
    same(reason, "deadline");
  }
  // @ts-expect-error: there is no such reason
  same(problem.reason === "busy", false);
  const inEuros: ParamsOf<"/product-page/{id}"> = { id: "1" };
  const inDollars: ParamsOf<"/product-page/{id}"> = { id: "1", currency: "USD" };
  assert.ok(inEuros && inDollars);
  // @ts-expect-error: a parameter of the path cannot be left out
  const without: ParamsOf<"/product-page/{id}"> = { currency: "USD" };
  assert.ok(without);
  // @ts-expect-error: the parameter has another name
  const params: ParamsOf<"/product-page/{id}"> = { sku: "1" };
  assert.ok(params);
});
