/** Against a real gateway and its fakes: `gateway demo`, started and ended here. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";

import { createClient } from "../src/client.js";
import type { Client } from "../src/client.js";

const PROGRAM = process.env["GATEWAY"] ?? "../../target/debug/gateway";
const PATH = "/product-page/{id}";

let demo: ChildProcess;
let client: Client;
let control: string;

/** Starts it; its printed lines name every address. */
function start(): Promise<string> {
  return new Promise((resolve, reject) => {
    demo = spawn(PROGRAM, ["demo", "--free-ports"], { stdio: ["ignore", "pipe", "inherit"] });
    const tooLate = setTimeout(() => reject(new Error("it does not serve")), 20_000);
    let said = "";
    demo.on("error", reject);
    demo.stdout?.on("data", (text) => {
      said += text;
      if (!said.includes("serving")) return;
      clearTimeout(tooLate);
      resolve(said);
    });
  });
}

async function slow(service: string, ms: number) {
  const body = JSON.stringify({ name: "slow", type: "latency", attributes: { latency: ms } });
  const answer = await fetch(`${control}/proxies/${service}/toxics`, { method: "POST", body });
  assert.equal(answer.status, 200);
}

before(async () => {
  const said = await start();
  const found = (pattern: RegExp) => pattern.exec(said)?.[1] ?? assert.fail(said);
  client = createClient({ baseUrl: found(/(http:\/\/[0-9.:]+)\/product-page/), retry: { afterFailures: 0 } });
  control = found(/(http:\/\/[0-9.:]+)\/reset/);
});

beforeEach(async () => {
  await fetch(`${control}/reset`, { method: "POST" });
});

after(() => {
  demo.kill("SIGINT");
});

test("a whole page", async () => {
  const answer = await client.get(PATH, { id: "p-1001" });
  assert.ok(answer.outcome === "page", JSON.stringify(answer));
  assert.equal(answer.page.parts.product.data.name, "Fjord 2 Wireless Headphones");
  assert.deepEqual(answer.timings.map(({ name }) => name).slice(0, 2), ["admission", "product"]);
  assert.match(answer.requestId ?? "", /^[0-9a-f]{32}$/);
});

test("a page without its reviews says so, and the rest is there", async () => {
  await slow("reviews", 1500);
  const answer = await client.get(PATH, { id: "p-1001" });
  assert.ok(answer.outcome === "page" && !answer.page.complete, JSON.stringify(answer));
  assert.deepEqual(answer.page.missing, ["reviews"]);
  assert.deepEqual(answer.page.parts.reviews, { status: "late", retryable: true });
  assert.ok(answer.page.parts.pricing.data.price.amount_cents > 0);
});

test("a required part that is late is a refusal with its reason and its scope", async () => {
  await slow("pricing", 1500);
  const answer = await client.get(PATH, { id: "p-1001" });
  assert.ok(answer.outcome === "refused", JSON.stringify(answer));
  assert.deepEqual([answer.status, answer.problem.reason, answer.problem.scope], [504, "deadline", "downstream:pricing"]);
});

test("a product that does not exist is not asked for again", async () => {
  const answer = await client.get(PATH, { id: "p-0" });
  assert.ok(answer.outcome === "refused", JSON.stringify(answer));
  assert.deepEqual([answer.status, answer.problem.reason, answer.attempts], [404, "not_found", 1]);
});

test("the timeout lowers the gateway's deadline", async () => {
  await slow("pricing", 1500);
  const began = performance.now();
  const answer = await client.get(PATH, { id: "p-1001" }, { timeoutMs: 100 });
  assert.ok(answer.outcome === "refused", JSON.stringify(answer));
  assert.deepEqual([answer.problem.reason, answer.problem.scope, answer.attempts], ["client_budget", "client", 1]);
  const total = answer.timings.find(({ name }) => name === "total")?.durationMs ?? Infinity;
  assert.ok(total <= 101, JSON.stringify(answer.timings));
  assert.ok(performance.now() - began < 5000);
});

test("what a burst has refused is served when it is asked for again", async () => {
  const answers = await Promise.all(Array.from({ length: 400 }, () => client.get(PATH, { id: "p-1001" })));
  const served = answers.filter(({ outcome }) => outcome === "page").length;
  const again = answers.filter(({ outcome, attempts }) => outcome === "page" && attempts > 1).length;
  assert.ok(served > 0, "none was served");
  // The budget's ten and a tenth of the requests: what is refused is not made worse.
  assert.ok(again <= 50, String(again));
  for (const answer of answers) {
    if (answer.outcome === "refused") assert.ok([429, 504].includes(answer.status), JSON.stringify(answer));
  }
});
