// The whole product as the office sees it: a real call comes in, goes on, ends; its words come; its case is worked on to
// the end. Started by `cargo test`, with a gateway and a telephone that rings it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, env, open, shot, url, visit } from "./browser.mjs";

open();

const CALL_MS = 90_000; // The call takes some 50 s.
const TRANSCRIPT_MS = 120_000; // Recognition takes a few seconds, more beside other tests.

test("a call is watched, read and its case closed", async (t) => {
  const page = await visit(t, null);
  page.setDefaultTimeout(15_000);
  await page.goto(env("LINK"));
  await page.getByRole("button", { name: "进入工作台" }).click();
  await page.waitForURL(`${url}/calls`);
  await page.evaluate(() => (globalThis.stayed = true));

  // Live: who, where in the flow, how loud.
  const live = page.locator("[data-call]").first();
  await live.waitFor({ timeout: CALL_MS });
  assert.match(await live.textContent(), /138\*{4}0001/);
  const id = await live.getAttribute("data-call");
  await live.locator("[data-state]", { hasText: "找人" }).waitFor({ timeout: CALL_MS });
  await page.waitForFunction(() => {
    const meter = document.querySelector("[data-gateway-level], [data-caller-level]");
    return [meter, meter.nextElementSibling].some((m) => Number(m?.style.getPropertyValue("--level")) > 0.1);
  });
  await shot(page, "hotline-live");

  // Its end: off the board, into the list, without a reload.
  await live.waitFor({ state: "detached", timeout: CALL_MS });
  const row = page.locator(`#rows a.row[href="/calls/${id}"]`);
  await row.waitFor();
  assert.equal(await page.evaluate(() => globalThis.stayed), true);

  // The call: its words come by themselves, and its way tells what was said to the caller.
  await row.click();
  await page.locator("[data-segment].caller [data-text]").first().waitFor({ timeout: TRANSCRIPT_MS });
  assert.ok((await page.locator("[data-segment].gateway").count()) > 2, "what we said stands in the transcript");
  await page.locator(".way .k-prompt", { hasText: "录音" }).first().waitFor();
  await page.locator(".way .k-key kbd", { hasText: "0" }).first().waitFor();
  await accessible(page);
  await shot(page, "hotline-call");

  // The case: corrected, then moved through its states to the end.
  await page.locator(".way .k-case a").first().click();
  await page.waitForURL(/\/cases\/\d+$/);
  await page.getByText("改正内容").click();
  await page.getByRole("textbox", { name: "诉求内容" }).fill("村口路灯坏了半个月，请派人修理。");
  await page.getByRole("button", { name: "保存" }).click();
  await page.getByText("已保存").waitFor();
  const state = page.locator("h1 .chip");
  const passed = [await state.textContent()];
  for (let moves = 0; moves < 8 && passed.at(-1) !== "办结"; moves++) {
    // The form with the main move; at first that is the choice of whom to assign it to.
    const form = page.locator("form", { has: page.locator("button.main[name=move]") }).first();
    await form.getByLabel("说明").fill(`第 ${moves + 1} 步`);
    await form.locator("button.main").first().click();
    await page.getByText(`第 ${moves + 1} 步`).waitFor();
    passed.push(await state.textContent());
  }
  assert.deepEqual(passed, ["受理", "派单", "签收", "办理", "反馈", "回访", "办结"]);
  await accessible(page);
  await shot(page, "hotline-case");
});
