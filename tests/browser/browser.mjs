// What the browser tests share: one Chromium for each file, and pages that fail their test on any fault.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

/** What the Rust side says, by environment variables. */
export const env = (name) => process.env[`MINXIN_${name}`] ?? assert.fail(`MINXIN_${name} is not set`);
export const url = env("URL");

const shots = process.env.MINXIN_SHOTS; // A folder for screenshots, for people to look at.
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;

/** Opens Chromium, with more switches where a file needs them, before its tests and closes it after them. */
export const open = (...more) => {
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox", // As root, Chromium starts in no other way.
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        ...more,
      ],
    });
  });
  after(() => browser?.close());
};

/** A page of somebody who is logged in, that fails the test on any script error, refused content or foreign request; save
 *  `refusal`, the status of an answer that the test asks for. */
export const visit = async (t, who, { refusal, ...options } = {}) => {
  const context = await browser.newContext({ locale: "zh-CN", viewport: { width: 1280, height: 860 }, ...options });
  if (who) await context.addCookies([{ name: "minxin", value: env(who), url, httpOnly: true, sameSite: "Strict" }]);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    const asked = refusal && message.text().includes(`the server responded with a status of ${refusal}`);
    if (message.type() === "error" && !asked) faults.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) faults.push(`asks another host: ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  return page;
};

/** A picture for people, where they asked for one. */
export const shot = async (page, name) => {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
};

/** No violation of WCAG 2.2 A and AA that axe can see. Run through the debugger: the page's own policy allows no script. */
export const accessible = async (page) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`), []);
};
