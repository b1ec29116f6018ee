// The evaluators' pages as people use them, in Chromium. Started by `cargo test`, which serves an office with an invented
// survey and says where.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, env, open, shot, url, visit } from "./browser.mjs";

const shots = process.env.MINXIN_SHOTS;
const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

open();

test("a figure leads to its calls and to what was said", async (t) => {
  const page = await visit(t, "EVALUATOR");
  await page.goto(`${url}/results`);
  await accessible(page);
  await shot(page, "results");
  // By the keyboard alone: the first unit's number of answers, then its list.
  const link = page.locator("[data-table=league] tbody a").first();
  const n = await link.textContent();
  await link.focus();
  await page.keyboard.press("Enter");
  await page.locator("[data-total]").waitFor();
  assert.equal(await page.locator("[data-total]").textContent(), n);
  await accessible(page);
  await shot(page, "calls-of-a-figure");
  await page.locator("a.row").first().focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/results\/answers\//);
  await accessible(page);
});

test("an answer is heard where it was given", async (t) => {
  const page = await visit(t, "EVALUATOR");
  await page.goto(`${url}/results/answers/${env("HEARD")}/attitude`);
  await accessible(page);
  await shot(page, "answer");
  const audio = page.locator("audio");
  assert.equal(await audio.evaluate((a) => a.preload), "none");
  await audio.evaluate((a) => a.play());
  await page.waitForFunction((from) => document.querySelector("audio").currentTime * 1000 >= from, Number(env("ASKED_MS")));
  const at = await audio.evaluate((a) => a.currentTime * 1000);
  assert.ok(at - Number(env("ASKED_MS")) < 2000, `plays from ${at} ms, asked at ${env("ASKED_MS")} ms`);
});

test("results are filtered without losing the way back", async (t) => {
  const page = await visit(t, "EVALUATOR");
  await page.goto(`${url}/results`);
  await page.getByLabel("汇总层级").selectOption("township");
  await page.getByLabel("比较指标").selectOption("solved");
  await page.getByRole("button", { name: "查看" }).click();
  await page.getByRole("heading", { name: "单位比较 · 解决率" }).waitFor();
  await shot(page, "results-townships");
  await page.locator("[data-table=league] tbody a").first().click();
  await page.getByRole("link", { name: "← 评议结果" }).click();
  await page.getByRole("heading", { name: "单位比较 · 解决率" }).waitFor();
});

test("a campaign is made from a list, watched and stopped", async (t) => {
  const page = await visit(t, "EVALUATOR", { refusal: 422 });
  await page.goto(`${url}/campaigns`);
  await accessible(page);
  await shot(page, "campaigns");
  await page.getByRole("link", { name: "新建回访任务" }).click();
  await accessible(page);
  const file = (text) => ({ name: "名单.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  await page.getByLabel("名单文件（CSV）").setInputFiles(file("number,unit\n13900000001,20010\nabc,\n"));
  const refused = page.waitForResponse((r) => r.request().method() === "POST");
  await page.getByRole("button", { name: "检查名单" }).click();
  assert.equal((await refused).status(), 422);
  await page.getByRole("alert").getByText("不是电话号码").waitFor();
  await accessible(page);
  await shot(page, "list-with-a-fault");
  await page.getByLabel("名单文件（CSV）").setInputFiles(file("number,unit\n13900000001,20010\n13900000002,20010\n"));
  await page.getByRole("button", { name: "检查名单" }).click();
  await page.getByText("名单检查通过").waitFor();
  await accessible(page);
  await shot(page, "draft");
  await page.getByLabel("我已核对，同意开始拨打").check();
  await page.getByRole("button", { name: "开始拨打" }).click();
  await page.waitForURL(/\/campaigns\/\d+\?saved=1/);
  await page.getByLabel("说明").first().fill("农忙");
  await page.getByRole("button", { name: "暂停" }).click();
  await page.locator(".chip", { hasText: "已暂停" }).waitFor();
  await page.locator("summary", { hasText: "终止" }).click();
  await page.locator("form[action$=stop] input[name=reason]").fill("作废");
  await page.getByLabel("我确认终止这个任务").check();
  await page.locator("form[action$=stop] button").click();
  await page.getByText("任务已终止").waitFor();
  await page.goto(`${url}/campaigns/3`);
  await accessible(page);
  await shot(page, "campaign");
}, { timeout: 60_000 });

test("a questionnaire is read and listened to", async (t) => {
  const page = await visit(t, "EVALUATOR");
  await page.goto(`${url}/surveys`);
  await accessible(page);
  await page.getByRole("link", { name: "办结回访" }).click();
  await accessible(page);
  await shot(page, "questionnaire");
  await page.getByRole("button", { name: "从头试听" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll("audio")].some((a) => a.currentTime > 0.2 && !a.paused));
  await page.getByRole("button", { name: "停止" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll("audio")].every((a) => a.paused));
});

test("figures are published on a sheet that prints", async (t) => {
  const page = await visit(t, "EVALUATOR");
  await page.goto(`${url}/disclosure`);
  await accessible(page);
  await page.getByLabel("标题").fill("红塔区办结回访满意度公示");
  await page.getByLabel("公示范围").fill("红塔区");
  await page.getByLabel("异议期开始").fill(day(0));
  await page.getByLabel("异议期截止").fill(day(7));
  await page.getByRole("button", { name: "冻结并公示" }).click();
  await page.waitForURL(/\/disclosure\/\d+$/);
  await accessible(page);
  await shot(page, "disclosure");
  if (shots) await page.pdf({ path: `${shots}/disclosure.pdf`, preferCSSPageSize: true });
  await page.emulateMedia({ media: "print" });
  assert.ok(await page.locator(".sheet").isVisible());
  assert.ok(!(await page.locator(".top").isVisible()) && !(await page.locator("form").first().isVisible()));
  await page.emulateMedia({ media: "screen" });
  await page.getByRole("button", { name: "重新计算并核对" }).click();
  await page.getByText("核对无误").waitFor();
  const unit = await visit(t, "UNIT");
  await unit.goto(page.url().replace("/verify", ""));
  await unit.getByRole("heading", { name: "红塔区办结回访满意度公示" }).waitFor();
  assert.equal(await unit.getByRole("link", { name: "全部回答（JSON）" }).count(), 0);
});

test("a bar is proposed, replied to and decided by another", async (t) => {
  const page = await visit(t, "EVALUATOR");
  await page.goto(`${url}/awards`);
  await page.getByRole("button", { name: "按所选范围提出建议" }).click();
  await page.getByText("新增建议").waitFor();
  await accessible(page);
  await shot(page, "awards");
  await page.locator("a.row").first().click();
  await page.locator("summary", { hasText: "记录申辩" }).click();
  await page.getByLabel("申辩内容").fill("当时人手不足，已经补齐。");
  await page.getByRole("button", { name: "保存" }).click();
  await page.getByText("已经补齐").waitFor();
  const other = await visit(t, "ADMIN");
  await other.goto(page.url());
  await other.getByLabel("理由").fill("多次核实属实。");
  await other.getByRole("button", { name: "同意限制评先" }).click();
  await other.getByText("多次核实属实").waitFor();
  await accessible(other);
  await shot(other, "award");
});

test("a rated unit sees its sums", async (t) => {
  const page = await visit(t, "UNIT");
  await page.goto(url);
  assert.equal(page.url(), `${url}/results`);
  await page.getByText("这里只显示本单位的汇总结果：").waitFor();
  assert.equal(await page.locator("a[href^='/results/calls']").count(), 0);
  await accessible(page);
  await shot(page, "results-of-a-unit");
});

test("the evaluators' pages hold at twice the size, in the dark, in English and without scripts", async (t) => {
  const pages = ["/results", "/campaigns", "/campaigns/3", "/campaigns/new", "/surveys/callback", "/disclosure", "/disclosure/1", "/awards"];
  const big = await visit(t, "EVALUATOR", { viewport: { width: 640, height: 480 } });
  for (const address of [...pages, `/results/answers/${env("HEARD")}/attitude`]) {
    await big.goto(`${url}${address}`);
    const over = await big.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${address} is ${over} px too wide`);
    await shot(big, `narrow${address.replaceAll("/", "-").slice(0, 24)}`);
  }
  const dark = await visit(t, "EVALUATOR", { colorScheme: "dark" });
  for (const address of pages) {
    await dark.goto(`${url}${address}`);
    await accessible(dark);
    await shot(dark, `dark${address.replaceAll("/", "-")}`);
  }
  const english = await visit(t, "EVALUATOR", { javaScriptEnabled: false });
  await english.context().addCookies([{ name: "lang", value: "en", url }]);
  for (const [address, heading] of [["/results", "Results"], ["/campaigns", "Campaigns"], ["/awards", "Award bars"]]) {
    await english.goto(`${url}${address}`);
    await english.getByRole("heading", { level: 1, name: heading }).waitFor();
  }
  await english.goto(`${url}/results`);
  await shot(english, "results-english");
});
