// An operator in a real browser talks with a caller on a real telephone. Started by `cargo test`, with a gateway and the
// telephone that rings it; the microphone is a file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, env, open, shot, url, visit } from "./browser.mjs";

open(
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${env("MICROPHONE")}`,
);

const RING_MS = 60_000; // Until the caller has heard the notice and pressed 0.
const PARKED_MS = 6000; // Until the caller has been told that the operator will be back.
const CALLER_HZ = Number(env("CALLER_HZ"));

/** How far the caller's tone stands out of what the browser plays, in dB, at its loudest within two seconds. */
const hears = (page) =>
  page.evaluate(async (hz) => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(document.querySelector("[data-sound]").srcObject).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    let best = -Infinity;
    for (const end = performance.now() + 2000; performance.now() < end; await new Promise((done) => setTimeout(done, 50))) {
      analyser.getFloatFrequencyData(bins);
      const at = Math.round((hz * analyser.fftSize) / context.sampleRate);
      // Silence has no level at all, and its difference to silence is no number.
      bins.forEach((level, bin) => (bins[bin] = Math.max(level, -100)));
      const median = [...bins].sort((a, b) => a - b)[bins.length >> 1];
      best = Math.max(best, Math.max(...bins.slice(at - 2, at + 3)) - median);
    }
    await context.close();
    return best;
  }, CALLER_HZ);

test("an operator answers, holds, reloads and hangs up", async (t) => {
  const page = await visit(t, null);
  page.setDefaultTimeout(15_000);
  const state = (name, timeout) => page.locator(`[data-desk][data-state="${name}"]`).waitFor({ timeout });
  const press = (name) => page.locator(`[data-desk] [data-do="${name}"]`).click();
  await page.goto(env("LINK"));
  await page.getByRole("button", { name: "进入工作台" }).click();
  await page.waitForURL(`${url}/calls`);
  const board = await page.context().newPage();
  await board.goto(`${url}/calls`);

  await page.goto(`${url}/desk`);
  await state("busy");
  await press("ready");
  await state("ready");
  await accessible(page);
  await shot(page, "desk-ready");
  console.log("ready");

  await state("ringing", RING_MS);
  assert.match(await page.locator("[data-number]").textContent(), /138\*{4}0001/);
  // The strip on another page shows it too, and takes the call.
  await board.locator('[data-softphone][data-state="ringing"]').waitFor();
  await shot(board, "desk-strip-ringing");
  await accessible(board);
  await board.locator('[data-softphone] [data-do="answer"]').click();
  await state("talking");
  await page.waitForFunction(() => document.querySelector("[data-sound]").srcObject);
  const loud = await hears(page);
  console.log(`the caller's tone stands ${loud.toFixed(0)} dB above the median`);
  assert.ok(loud > 30, `${loud} dB`);
  await shot(page, "desk-talking");
  await accessible(page);
  await page.waitForTimeout(3000);

  await press("hold");
  await state("holding");
  await page.waitForTimeout(4000);
  const held = await hears(page);
  assert.ok(held < 20, `the caller is not heard on hold, yet ${held} dB`);
  await press("hold");
  await state("talking");

  // The page is loaded anew in mid-call: the caller waits, and is taken back.
  await page.reload();
  await state("parked");
  await page.waitForTimeout(PARKED_MS);
  await press("take_back");
  await state("talking");
  await page.waitForFunction(() => document.querySelector("[data-sound]").srcObject);
  assert.ok((await hears(page)) > 30, "the caller is heard again");
  await page.locator('[data-key="5"]').click();
  await page.waitForTimeout(1500);

  await press("hang_up");
  await state("wrap_up");
  await press("busy");
  await state("busy");
});
