import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "../src/client.js";
import type { ClientOptions, RequestOptions } from "../src/client.js";
import { RetryBudget } from "../src/retry.js";
import { FakeClock, page, problem, scripted, settled } from "./fakes.js";
import type { Scripted } from "./fakes.js";

const PATH = "/product-page/{id}";

function setUp(answers: Scripted[], options: ClientOptions = {}) {
  const clock = new FakeClock();
  const { asked, fetch } = scripted(...answers);
  const client = createClient({ clock, fetch, random: () => 0.5, baseUrl: "http://shop.example/", ...options });
  const get = (request?: RequestOptions) => client.get(PATH, { id: "p-1001" }, request);
  return { clock, asked, client, get };
}

test("a page comes with what is said about it", async () => {
  const { asked, get } = setUp([page()]);
  const answer = await get();
  assert.equal(answer.outcome, "page");
  assert.ok(answer.outcome === "page");
  assert.equal(answer.page.complete, true);
  assert.deepEqual([answer.requestId, answer.attempts, answer.timings.length], ["r-1", 1, 3]);
  assert.equal(asked[0]?.url, "http://shop.example/product-page/p-1001");
});

test("parameters are encoded, so that none becomes a path", async () => {
  const { asked, client } = setUp([problem(400, "bad_request")]);
  await client.get(PATH, { id: "../a b?c" });
  assert.equal(asked[0]?.url, "http://shop.example/product-page/..%2Fa%20b%3Fc");
});

test("parameters of the query are encoded too, and those that are not given are left out", async () => {
  const { asked, client } = setUp([problem(400, "bad_request"), problem(400, "bad_request")]);
  await client.get(PATH, { id: "1", currency: "a b&c=+" });
  const all: { id: string; currency?: string } = { id: "1" };
  await client.get(PATH, all);
  assert.equal(asked[0]?.url, "http://shop.example/product-page/1?currency=a+b%26c%3D%2B");
  assert.equal(asked[1]?.url, "http://shop.example/product-page/1");
});

test("a service that is busy had been asked, so it is asked once more and no more", async () => {
  const { clock, get } = setUp([problem(429, "downstream_busy", 2), problem(429, "downstream_busy", 2)]);
  const answering = get();
  await settled();
  await clock.step();
  const answer = await answering;
  assert.deepEqual([answer.outcome, answer.attempts, clock.time], ["refused", 2, 2500]);
});

test("a refusal is retried after its Retry-After and jitter, and not before", async () => {
  const { clock, asked, get } = setUp([problem(429, "bulkhead_full", 3), problem(503, "draining", 1), page()]);
  const answering = get();
  await settled();
  assert.equal(asked.length, 1);
  await clock.step();
  assert.deepEqual([asked.length, clock.time], [2, 3000 + 500]);
  await clock.step();
  const answer = await answering;
  assert.deepEqual([answer.outcome, answer.attempts, clock.time], ["page", 3, 3500 + 1000 + 1000]);
});

test("a page that was too late is asked for once more and no more", async () => {
  const { clock, get } = setUp([problem(504, "deadline"), problem(504, "deadline")]);
  const answering = get();
  await settled();
  await clock.step();
  const answer = await answering;
  assert.ok(answer.outcome === "refused");
  assert.deepEqual([answer.status, answer.problem.reason, answer.attempts], [504, "deadline", 2]);
});

test("what asking again cannot help is not asked again", async () => {
  for (const status of [400, 401, 403, 404, 405, 409, 410, 500]) {
    const { clock, get } = setUp([problem(status, "x")]);
    const answer = await get();
    assert.deepEqual([answer.outcome, answer.attempts, clock.time], ["refused", 1, 0]);
  }
});

test("without a budget there are no retries, and requests earn it", async () => {
  const budget = new RetryBudget({ share: 0.5, most: 1 });
  const refused = () => problem(429, "gateway_full", 1);
  const { clock, get } = setUp([refused(), refused(), refused(), refused(), page()], { budget });
  const first = get();
  await settled();
  await clock.step();
  assert.equal((await first).attempts, 2);
  assert.equal((await get()).attempts, 1);
  const third = get();
  await settled();
  await clock.step();
  assert.deepEqual([(await third).outcome, (await third).attempts], ["page", 2]);
});

test("no wait is begun that ends after the patience", async () => {
  const { clock, get } = setUp([problem(503, "draining", 4)], { patienceMs: 4500 });
  const answer = await get();
  assert.deepEqual([answer.outcome, answer.attempts, clock.time], ["refused", 1, 0]);
});

test("the timeout is sent, and an attempt ends soon after it whatever comes", async () => {
  const { clock, asked, get } = setUp(["never", "never"]);
  const answering = get({ timeoutMs: 250 });
  await settled();
  assert.equal(asked[0]?.headers.get("x-request-timeout-ms"), "250");
  await clock.step();
  assert.equal(clock.time, 750);
  await clock.step();
  assert.equal(clock.time, 750 + 500);
  await clock.step();
  const answer = await answering;
  assert.ok(answer.outcome === "failed");
  assert.deepEqual([answer.why, answer.attempts, clock.time], ["timeout", 2, 2000]);
});

test("without a timeout nothing is sent, and the patience ends it", async () => {
  const { clock, asked, get } = setUp(["never"], { patienceMs: 2000 });
  const answering = get();
  await settled();
  await clock.step();
  assert.equal((await answering).outcome, "failed");
  assert.deepEqual([asked[0]?.headers.has("x-request-timeout-ms"), clock.time], [false, 2000]);
});

test("a gateway that is not there is tried once more", async () => {
  const { clock, get } = setUp([new TypeError("fetch failed"), page()]);
  const answering = get();
  await settled();
  await clock.step();
  assert.deepEqual([(await answering).outcome, (await answering).attempts], ["page", 2]);
});

test("what is not the gateway's is told apart, and its Retry-After is kept to", async () => {
  const html = (status: number) => new Response("<p>", { status, headers: { "content-type": "text/html", "retry-after": "2" } });
  const { clock, get } = setUp([html(503), html(404)]);
  const answering = get();
  await settled();
  await clock.step();
  const answer = await answering;
  assert.ok(answer.outcome === "failed");
  assert.deepEqual([answer.why, answer.status, clock.time], ["not_the_gateway", 404, 2500]);
});

test("the caller's abort is thrown, during an attempt and during a wait, and nothing is asked after", async () => {
  const reason = new Error("gone");
  for (const answers of [["never"], [problem(429, "gateway_full", 1)]] as Scripted[][]) {
    const { asked, get } = setUp(answers);
    const controller = new AbortController();
    const answering = get({ signal: controller.signal });
    await settled();
    controller.abort(reason);
    await assert.rejects(answering, reason);
    assert.equal(asked.length, 1);
    await assert.rejects(get({ signal: controller.signal }), reason);
    assert.equal(asked.length, 1);
  }
});
