import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULT_POLICY, RetryBudget, waitBeforeRetry } from "../src/retry.js";

const [least, most] = [() => 0, () => 1 - Number.EPSILON];

test("a wait is drawn from zero to a backoff that doubles up to its cap", () => {
  const policy = { ...DEFAULT_POLICY, afterRefusals: 10 };
  const longest = [0, 1, 2, 3, 4, 9].map((retries) => Math.round(waitBeforeRetry({ status: 429 }, retries, policy, most) ?? -1));
  assert.deepEqual(longest, [1000, 2000, 4000, 8000, 10_000, 10_000]);
  assert.equal(waitBeforeRetry({ status: 429 }, 3, policy, least), 0);
  assert.equal(waitBeforeRetry({ status: 429 }, 1, policy, () => 0.25), 500);
});

test("no wait is shorter than the gateway asked for", () => {
  for (const random of [least, () => 0.5, most]) {
    const wait = waitBeforeRetry({ status: 503, retryAfterMs: 7000 }, 0, DEFAULT_POLICY, random) ?? 0;
    assert.ok(wait >= 7000 && wait <= 8000, String(wait));
  }
});

test("what made the services work is retried once, what did not twice, and all else never", () => {
  const retries = (status: number | undefined) => {
    let count = 0;
    while (waitBeforeRetry({ status }, count, DEFAULT_POLICY, least) !== undefined) count += 1;
    return count;
  };
  for (const [status, count] of [[429, 2], [503, 2], [502, 1], [504, 1], [undefined, 1]] as const) {
    assert.equal(retries(status), count, String(status));
  }
  assert.equal(waitBeforeRetry({ status: 504, reason: "client_budget" }, 0, DEFAULT_POLICY, least), undefined);
  for (const status of [400, 401, 404, 405, 414, 431, 500, 200, 301]) assert.equal(retries(status), 0, String(status));
});

test("retries are a share of requests, and no more than a few at once", () => {
  const budget = new RetryBudget({ share: 0.1, most: 3 });
  const taken = () => {
    let count = 0;
    while (budget.take()) count += 1;
    return count;
  };
  assert.equal(taken(), 3);
  for (let n = 0; n < 9; n += 1) budget.request();
  assert.equal(taken(), 0);
  budget.request();
  assert.equal(taken(), 1);
  for (let n = 0; n < 1000; n += 1) budget.request();
  assert.equal(taken(), 3);
});
