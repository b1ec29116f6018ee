// The live board with a thousand calls, while others come, move and go. Started by `cargo test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { env, open, url, visit } from "./browser.mjs";

open();

const CALLS = 1000;

test("a thousand live calls leave the page quick", async (t) => {
  const page = await visit(t, "OPERATOR");
  const began = Date.now();
  await page.goto(`${url}/calls`);
  await page.waitForFunction((n) => Number(document.querySelector("[data-count]").textContent) >= n, CALLS);
  const shown = Date.now() - began;
  const figures = await page.evaluate(async () => {
    const gaps = [];
    const end = performance.now() + 4000;
    for (let last = performance.now(); last < end;) {
      const now = await new Promise(requestAnimationFrame);
      gaps.push(now - last);
      last = now;
    }
    gaps.sort((a, b) => a - b);
    return { frames: gaps.length, median: gaps[gaps.length >> 1], worst: gaps.at(-1), rows: document.querySelectorAll("[data-call]").length };
  });
  console.log(`shown after ${shown} ms; ${figures.frames} frames in 4 s, median ${figures.median.toFixed(0)} ms, worst ${figures.worst.toFixed(0)} ms; ${figures.rows} rows`);
  assert.equal(figures.rows, CALLS, "no more rows than the page promises");
  // Far above what is seen on an idle machine: this fails only when each change costs the whole list.
  assert.ok(figures.median < 250, `${figures.median} ms a frame`);
  // What just came stands on top.
  const newest = page.locator("[data-call]").first();
  await newest.locator("[data-line]", { hasText: env("NEWEST_LINE") }).waitFor();
});
