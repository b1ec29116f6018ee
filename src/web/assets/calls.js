// The list of calls: live calls come, move and go without a reload.

import "./keys.js";
import { follow, refresher } from "./live.js";

// Rows that are drawn at most; the rest is counted only. The page stays quick, and nobody reads on past them.
const ROWS = 1000;

const section = document.querySelector("[data-live]");
const list = section?.querySelector("[data-list]");
const words = section?.querySelector("[data-words]")?.dataset;
const shape = section?.querySelector("template[data-row]");
const states = JSON.parse(words?.states ?? "{}");
const refresh = refresher();

// What is known of each call, and the row of those that are drawn.
const calls = new Map();
const rows = new Map([...(list?.children ?? [])].map((li) => [li.dataset.call, li]));
// The rows in sight: only their meters and clocks run.
const seen = new Set();
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target);
    else seen.delete(target);
    if (isIntersecting) run(target);
  }
});
for (const li of rows.values()) sight.observe(li);
// Calls whose rows have to be drawn anew: many changes within one frame cost one drawing.
const stale = new Set();
let drawing = false;

const pad = (n) => String(n).padStart(2, "0");
const span = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return s < 3600 ? `${Math.floor(s / 60)}:${pad(s % 60)}` : `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
};

const put = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

const newRow = (call) => {
  const li = shape.content.firstElementChild.cloneNode(true);
  li.dataset.call = call.id;
  li.querySelector("a").href = `/calls/${call.id}`;
  rows.set(call.id, li);
  list.prepend(li);
  sight.observe(li);
  return li;
};

const drop = (id) => {
  const li = rows.get(id);
  if (!li) return;
  rows.delete(id);
  seen.delete(li);
  sight.unobserve(li);
  li.remove();
};

// The row of a call: drawn already, or new if it is among the newest. Keys of calls sort by time.
const rowOf = (call) => {
  const drawn = rows.get(call.id);
  if (drawn || rows.size < ROWS) return drawn ?? newRow(call);
  const oldest = list.lastElementChild;
  if (call.id < oldest.dataset.call) return null;
  drop(oldest.dataset.call);
  return newRow(call);
};

const show = (call) => {
  const li = rowOf(call);
  if (!li) return;
  put(li.querySelector("[data-caller]"), call.caller ?? words.withheld);
  put(li.querySelector("[data-line]"), call.line);
  put(li.querySelector("[data-state]"), states[call.state] ?? (call.state || words.ringing));
  const caption = li.querySelector("[data-caption]");
  put(caption, call.caption);
  caption.classList.toggle("partial", call.partial);
  li.querySelector("[data-since]").dataset.since = call.started_at;
  if (seen.has(li)) run(li);
};

// -60 dBov and below is an empty meter, full scale a full one.
const level = (li, { caller_dbov, gateway_dbov }) => {
  const part = (dbov) => Math.min(1, Math.max(0, 1 + dbov / 60)).toFixed(2);
  li.querySelector("[data-caller-level]").style.setProperty("--level", part(caller_dbov));
  li.querySelector("[data-gateway-level]").style.setProperty("--level", part(gateway_dbov));
};

const draw = () => {
  drawing = false;
  for (const id of stale) {
    const call = calls.get(id);
    if (call) show(call);
    else drop(id);
  }
  stale.clear();
  put(section.querySelector("[data-count]"), String(calls.size));
  section.querySelector("[data-none]").hidden = calls.size > 0;
  section.querySelector("[data-more]").hidden = calls.size <= rows.size;
};

const changed = (id) => {
  stale.add(id);
  if (drawing) return;
  drawing = true;
  // A page in a hidden tab draws no frames, but must not fall behind for ever.
  document.hidden ? setTimeout(draw, 1000) : requestAnimationFrame(draw);
};

// The clock and the meters of a row.
const run = (li) => {
  const since = li.querySelector("[data-since]");
  put(since, span(Date.now() - Date.parse(since.dataset.since)));
  const call = calls.get(li.dataset.call);
  if (call) level(li, call.level);
};

const tick = () => {
  for (const li of seen) run(li);
};

if (section) {
  follow({
    board(board) {
      calls.clear();
      for (const call of board) calls.set(call.id, call);
      stale.clear();
      for (const id of rows.keys()) changed(id);
      // The newest comes first and shall be drawn last, on top of the others.
      for (const { id } of board.slice(0, ROWS).reverse()) changed(id);
      if (board.length === 0) changed("");
      refresh();
    },
    news(news) {
      if (news.kind === "call") calls.set(news.id, news);
      if (news.kind === "ended") calls.delete(news.id);
      if (news.kind === "call" || news.kind === "ended") changed(news.id);
      if (news.kind === "ended" || news.kind === "call_stored" || news.kind === "case_stored") refresh();
    },
    recognition({ overloaded }) {
      section.querySelector("[data-overloaded]").hidden = !overloaded;
    },
    levels(levels) {
      for (const { id, level: figures } of levels) {
        const call = calls.get(id);
        if (call) call.level = figures;
      }
      tick();
    },
  });
  setInterval(tick, 1000);
}
