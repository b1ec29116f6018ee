// The pages as people use them, in Chromium. Started by `cargo test`, which serves a furnished office and says where.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, env, open, shot, url, visit } from "./browser.mjs";

const call = `${url}/calls/${env("CALL")}`;
const kase = `${url}/cases/${env("CASE")}`;

open();

test("log in, look around, log out", async (t) => {
  const page = await visit(t, null);
  await page.goto(`${url}/cases`);
  assert.match(page.url(), /\/login\?next=/);
  await accessible(page);
  await shot(page, "login");
  await page.getByLabel("用户名").fill("admin");
  await page.getByLabel("密码").fill(env("PASSWORD"));
  await page.getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${url}/cases`);
  await page.getByRole("link", { name: "用户" }).click();
  await page.waitForURL(`${url}/users`);
  await accessible(page);
  await shot(page, "users");
  await page.getByRole("link", { name: "English" }).click();
  await page.getByRole("heading", { name: "Users" }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL(`${url}/login`);
});

test("calls come, move and go without a reload", async (t) => {
  const page = await visit(t, "OPERATOR");
  await page.goto(`${url}/calls`);
  await page.evaluate(() => (globalThis.stayed = true));
  const comes = page.locator("[data-call]", { hasText: "党员服务热线" });
  await comes.first().waitFor();
  await comes.filter({ hasText: "主菜单" }).first().waitFor();
  await page.locator("[data-call]", { hasText: "垃圾好几天没有人来收" }).waitFor();
  await accessible(page);
  await shot(page, "calls");
  await page.waitForFunction(() => document.querySelectorAll("[data-call]").length === 1);
  assert.equal(await page.locator("[data-count]").textContent(), "1");
  assert.equal(await page.evaluate(() => globalThis.stayed), true);
});

test("the sound and the words lead each other", async (t) => {
  const page = await visit(t, "OPERATOR");
  await page.goto(call);
  await accessible(page);
  await page.waitForFunction(() => document.querySelector("[data-canvas]").clientHeight > 50);
  const audio = page.locator("[data-audio]");
  assert.equal(await audio.evaluate((a) => a.preload), "none");

  // A click on a segment plays from its beginning, within the ear's tolerance.
  const segment = page.locator("[data-segment]").nth(6);
  const start = Number(await segment.getAttribute("data-start"));
  await segment.locator("[data-text]").click();
  await page.waitForFunction((start) => document.querySelector("[data-audio]").currentTime * 1000 >= start, start);
  const at = await audio.evaluate((a) => a.currentTime * 1000);
  assert.ok(at - start < 1500, `started ${at - start} ms after the segment`);
  await page.locator("[data-segment].current").waitFor();
  assert.equal(await page.locator(".current[data-segment]").getAttribute("data-start"), String(start));
  await shot(page, "call");

  // The mark follows the sound: at each change it is no more than 0.3 s late.
  const late = await page.evaluate(async () => {
    const audio = document.querySelector("[data-audio]");
    audio.currentTime = 18.5;
    await new Promise((seeked) => audio.addEventListener("seeked", seeked, { once: true }));
    const found = [];
    let last = document.querySelector(".current[data-segment]");
    const end = performance.now() + 5500;
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame);
      const now = document.querySelector(".current[data-segment]");
      if (now && now !== last) found.push(audio.currentTime * 1000 - Number(now.dataset.start));
      last = now;
    }
    return found;
  });
  assert.ok(late.length >= 3, `${late}`);
  assert.ok(late.every((ms) => ms >= 0 && ms < 300), `${late}`);
  console.log(`the mark follows after ${late.map((ms) => ms.toFixed(0)).join(", ")} ms`);

  // The keyboard alone: pause, next, previous.
  await page.keyboard.press("Escape");
  await page.locator("h1").click();
  await page.keyboard.press(" ");
  await page.waitForFunction(() => document.querySelector("[data-audio]").paused);
  const place = () => audio.evaluate((a) => a.currentTime * 1000);
  await page.keyboard.press("j");
  const chosen = page.locator("[data-segment].chosen");
  const first = Number(await chosen.getAttribute("data-start"));
  assert.ok(Math.abs((await place()) - first) < 300);
  await page.keyboard.press("j");
  assert.ok(Number(await chosen.getAttribute("data-start")) > first);
  await page.keyboard.press("k");
  assert.equal(Number(await chosen.getAttribute("data-start")), first);
  await page.keyboard.press("/");
  await page.keyboard.type("高龄");
  assert.equal(await page.locator("[data-segment]:visible").count(), 1);
});

test("a segment is corrected and its history stays", async (t) => {
  const page = await visit(t, "OPERATOR");
  await page.goto(call);
  const segment = page.locator("[data-segment]").nth(2);
  await segment.hover();
  await segment.locator("summary").click();
  await segment.locator("textarea").fill("我们住在高龙潭社区三组。");
  await segment.getByRole("button", { name: "保存" }).click();
  await page.getByText("已保存").waitFor();
  assert.match(await page.locator("[data-segment]").nth(2).locator("[data-text]").textContent(), /三组/);
  await page.locator("[data-segment]").nth(2).locator("summary").click();
  await page.getByText("识别原文").waitFor();
  await accessible(page);
});

test("a case is corrected, moved and its number shown", async (t) => {
  const page = await visit(t, "OPERATOR");
  await page.goto(`${url}/cases`);
  await accessible(page);
  await shot(page, "cases");
  await page.goto(kase);
  await accessible(page);
  await page.getByText("改正内容").click();
  await page.getByRole("textbox", { name: "诉求内容" }).fill("父亲八十二岁，想申请高龄津贴，电话139****6655。");
  await page.getByRole("button", { name: "保存" }).click();
  await page.getByText("已保存").waitFor();
  const assigns = page.locator("form", { has: page.locator("button[value=assign]") });
  await assigns.getByLabel("说明").fill("已核对，派给老年人服务窗口");
  await assigns.getByRole("button", { name: "派单" }).click();
  await page.locator("h1 .chip", { hasText: "派单" }).waitFor();
  await shot(page, "case");
  await page.getByText("查看完整号码").first().click();
  await page.locator("form[action$=reveal] input[name=reason]").fill("回电核实年龄");
  await page.getByRole("button", { name: "查看完整号码" }).click();
  assert.equal(await page.locator("[data-revealed]").textContent(), "13988776655");
  await accessible(page);
});

test("two who work on one case: the second loses nothing", async (t) => {
  const [first, second] = [await visit(t, "OPERATOR"), await visit(t, "OPERATOR", { refusal: 409 })];
  for (const page of [first, second]) await page.goto(kase);
  await first.getByText("加备注").first().click();
  await first.getByLabel("备注", { exact: true }).fill("已联系本人");
  await first.getByRole("button", { name: "加备注" }).click();
  await first.getByText("已保存").waitFor();
  await second.getByLabel("说明").first().fill("这段话不能丢");
  await second.locator(".moves button").first().click();
  await second.getByText("别人改动了这个案件").waitFor();
  assert.equal(await second.getByLabel("说明").first().inputValue(), "这段话不能丢");
  await second.locator("ol.timeline").getByText("已联系本人").waitFor();
  await accessible(second);
  await shot(second, "conflict");
});

test("a lost call is claimed, rung back and done", async (t) => {
  const page = await visit(t, "OPERATOR");
  await page.goto(url);
  await page.getByRole("link", { name: "待办" }).click();
  await page.waitForURL(`${url}/tasks`);
  await accessible(page);
  const task = page.locator("tr[data-task]", { hasText: "漏接来电" });
  await task.getByRole("button", { name: "认领" }).click();
  await task.getByLabel("怎么办的").fill("已回电，是问社保");
  await accessible(page);
  await shot(page, "tasks");
  await task.getByRole("button", { name: "已办" }).click();
  await page.getByText("即将到期").first().waitFor();
  assert.equal(await task.count(), 0);
});

test("a changed case shows in an open inbox by itself", async (t) => {
  const inbox = await visit(t, "OPERATOR");
  await inbox.goto(`${url}/cases`);
  await inbox.evaluate(() => (globalThis.stayed = true));
  const desk = await visit(t, "OPERATOR");
  await desk.goto(kase);
  const last = desk.locator(".moves button").first();
  const state = (await last.textContent()).trim();
  await desk.getByLabel("说明").first().fill("流转");
  await last.click();
  await desk.getByText("已保存").waitFor();
  await inbox.locator(`tr[data-key="${env("CASE")}"] .chip`, { hasText: state }).waitFor({ timeout: 5000 });
  assert.equal(await inbox.evaluate(() => globalThis.stayed), true);
});

test("the auditor checks the chain", async (t) => {
  const page = await visit(t, "AUDITOR");
  await page.goto(url);
  assert.equal(page.url(), `${url}/audit`);
  await page.getByRole("button", { name: "核对整条记录链" }).click();
  await page.getByText("记录链完整").waitFor();
  await accessible(page);
  await shot(page, "audit");
});

test("pages hold at twice the size, in the dark, and without scripts", async (t) => {
  const big = await visit(t, "OPERATOR", { viewport: { width: 640, height: 480 } });
  for (const address of [`${url}/calls`, call, `${url}/cases`, kase, `${url}/tasks`]) {
    await big.goto(address);
    const over = await big.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${address} is ${over} px too wide`);
  }
  await shot(big, "narrow");
  const dark = await visit(t, "OPERATOR", { colorScheme: "dark" });
  for (const [name, address] of [["calls", `${url}/calls`], ["call", call], ["cases", `${url}/cases`], ["case", kase]]) {
    await dark.goto(address);
    await dark.waitForTimeout(300);
    await accessible(dark);
    await shot(dark, `dark-${name}`);
  }
  const plain = await visit(t, "OPERATOR", { javaScriptEnabled: false });
  await plain.goto(call);
  assert.ok(await plain.locator("audio[controls]").isVisible());
  await plain.goto(kase);
  await plain.getByLabel("说明").first().fill("没有脚本也行");
  await plain.locator(".moves button").first().click();
  await plain.getByText("没有脚本也行").waitFor();
});
