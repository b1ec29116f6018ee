// The list of calls: live calls come, move and go without a reload.

import "./keys.js";
import { follow, refresher } from "./live.js";

const section = document.querySelector("[data-live]");
const list = section?.querySelector("[data-list]");
const words = section?.querySelector("[data-words]")?.dataset;
const shape = section?.querySelector("template[data-row]");
const states = JSON.parse(words?.states ?? "{}");
const refresh = refresher();

const pad = (n) => String(n).padStart(2, "0");
const span = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return s < 3600 ? `${Math.floor(s / 60)}:${pad(s % 60)}` : `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
};

const row = (id) => list.querySelector(`[data-call="${CSS.escape(id)}"]`);

const show = (call) => {
  let li = row(call.id);
  if (!li) {
    li = shape.content.firstElementChild.cloneNode(true);
    li.dataset.call = call.id;
    li.querySelector("a").href = `/calls/${call.id}`;
    list.prepend(li);
  }
  const put = (part, text) => (li.querySelector(`[data-${part}]`).textContent = text);
  put("caller", call.caller ?? words.withheld);
  put("line", call.line);
  put("state", states[call.state] ?? (call.state || words.ringing));
  put("caption", call.caption);
  li.querySelector("[data-since]").dataset.since = call.started_at;
  level(li, call.level);
};

// -60 dBov and below is an empty meter, full scale a full one.
const level = (li, { caller_dbov, gateway_dbov }) => {
  const part = (dbov) => (dbov < 0 ? Math.min(1, Math.max(0, 1 + dbov / 60)) : 0);
  li.querySelector("[data-caller-level]").style.setProperty("--level", part(caller_dbov));
  li.querySelector("[data-gateway-level]").style.setProperty("--level", part(gateway_dbov));
};

const count = () => {
  section.querySelector("[data-count]").textContent = list.childElementCount;
  section.querySelector("[data-none]").hidden = list.childElementCount > 0;
};

const tick = () => {
  for (const time of list.querySelectorAll("[data-since]")) {
    time.textContent = span(Date.now() - Date.parse(time.dataset.since));
  }
};

if (section) {
  follow({
    board(calls) {
      const current = new Set(calls.map((c) => c.id));
      for (const li of [...list.children]) if (!current.has(li.dataset.call)) li.remove();
      for (const call of calls.toReversed()) show(call);
      count();
      tick();
      refresh();
    },
    news(news) {
      if (news.kind === "call") show({ ...news });
      if (news.kind === "ended") row(news.id)?.remove();
      if (news.kind === "ended" || news.kind === "call_stored" || news.kind === "case_stored") refresh();
      count();
      tick();
    },
    levels(levels) {
      for (const { id, level: figures } of levels) {
        const li = row(id);
        if (li) level(li, figures);
      }
    },
  });
  setInterval(tick, 1000);
  tick();
}
