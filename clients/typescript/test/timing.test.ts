import assert from "node:assert/strict";
import { test } from "node:test";

import { parseServerTiming } from "../src/timing.js";

test("every entry is read, with its status", () => {
  assert.deepEqual(parseServerTiming('admission;dur=0.02, reviews;dur=200.31;desc="late", total;dur=201.00'), [
    { name: "admission", durationMs: 0.02 },
    { name: "reviews", durationMs: 200.31, status: "late" },
    { name: "total", durationMs: 201 },
  ]);
});

test("what others may write is read, or left out", () => {
  assert.deepEqual(parseServerTiming('cache;desc="hit, or; miss", , db;DUR=x, edge ; dur = 5'), [
    { name: "cache", durationMs: 0, status: "hit, or; miss" },
    { name: "db", durationMs: 0 },
    { name: "edge", durationMs: 5 },
  ]);
  assert.deepEqual([parseServerTiming(null), parseServerTiming("")], [[], []]);
});
