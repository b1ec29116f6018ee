// One call: the waveform, the player, and a transcript that follows the sound and leads it.

import { plain } from "./keys.js";
import { follow } from "./live.js";
import { Wave } from "./wave.js";

const player = document.querySelector("[data-player]");
const audio = player.querySelector("[data-audio]");
const transcript = document.querySelector("[data-transcript]");
const segments = [...transcript.querySelectorAll("[data-segment]")].map((li) => ({
  li, start: Number(li.dataset.start), end: Number(li.dataset.end),
}));
const steps = [...document.querySelectorAll(".way [data-at]")].map((li) => ({ li, at: Number(li.dataset.at) }));

const pad = (n) => String(n).padStart(2, "0");
const clock = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(s / 60)}:${pad(s % 60)}`;
};

if (audio) setUpPlayer();
setUpSearch();
awaitTranscript();

function setUpPlayer() {
  const play = player.querySelector("[data-play]");
  const playText = player.querySelector("[data-play-text]");
  const time = player.querySelector("[data-clock]");
  const rate = player.querySelector("[data-rate]");
  const following = player.querySelector("[data-follow]");
  const box = player.querySelector("[data-wave]");
  const canvas = player.querySelector("[data-canvas]");
  let duration = Number(player.dataset.duration);
  let chosen = null;
  let current = null;

  audio.removeAttribute("controls");
  for (const part of [play, time, box]) part.hidden = false;
  player.querySelector("[data-rate-label]").hidden = false;
  player.querySelector("[data-follow-label]").hidden = segments.length === 0;

  const wave = new Wave(canvas, segments.map(({ li, start, end }) => ({ start, end, caller: li.classList.contains("caller") })));
  wave.duration = duration;
  wave.draw(0);
  fetch(player.dataset.peaks, { headers: { "x-minxin-background": "1" } })
    .then((response) => (response.ok ? response.json() : Promise.reject(response.status)))
    .then((peaks) => {
      duration = peaks.duration_ms || duration;
      wave.load(peaks);
      show();
    })
    .catch(() => {}); // Without its shape the recording still plays.

  // Before the sound is fetched the wanted place is kept here: setting currentTime needs metadata.
  let wanted = 0;
  const at = () => (audio.readyState > 0 ? audio.currentTime * 1000 : wanted);
  const seek = (ms, start) => {
    wanted = Math.min(Math.max(0, ms), duration || ms);
    if (audio.readyState > 0) audio.currentTime = wanted / 1000;
    if (start) audio.play().catch(() => {});
    show();
  };
  audio.addEventListener("loadedmetadata", () => {
    if (wanted > 0) audio.currentTime = wanted / 1000;
  });

  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
  const show = () => {
    const ms = at();
    time.textContent = `${clock(ms)} / ${clock(duration)}`;
    canvas.setAttribute("aria-valuenow", Math.floor(ms / 1000));
    canvas.setAttribute("aria-valuetext", clock(ms));
    wave.draw(ms);
    mark(ms);
  };

  const mark = (ms) => {
    // Both sides may speak at once; the one who began last is the one to read.
    const now = segments.findLast((s) => s.start <= ms && ms < s.end) ?? null;
    if (now !== current) {
      current?.li.classList.remove("current");
      current?.li.removeAttribute("aria-current");
      now?.li.classList.add("current");
      now?.li.setAttribute("aria-current", "true");
      current = now;
      if (now && following.checked && !audio.paused && !transcript.contains(document.activeElement?.closest("form"))) {
        now.li.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
      }
    }
    const step = steps.findLast((s) => s.at <= ms);
    for (const s of steps) s.li.classList.toggle("current", s === step && ms > 0);
  };

  // timeupdate comes four times a second only; frames keep the mark within the ear's tolerance.
  const frame = () => {
    show();
    if (!audio.paused) requestAnimationFrame(frame);
  };
  audio.addEventListener("play", () => {
    playText.textContent = canvas.dataset.pauseLabel;
    requestAnimationFrame(frame);
  });
  audio.addEventListener("pause", () => {
    playText.textContent = canvas.dataset.playLabel;
    show();
  });
  for (const kind of ["timeupdate", "seeked", "ended"]) audio.addEventListener(kind, show);
  play.addEventListener("click", toggle);
  rate.addEventListener("change", () => (audio.playbackRate = Number(rate.value)));

  const place = (event) => ((event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth) * duration;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    seek(place(event), false);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons === 1 && seek(place(event), false));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -5000, ArrowRight: 5000, PageDown: -30000, PageUp: 30000 }[event.key];
    if (step) seek(at() + step, false);
    else if (event.key === "Home") seek(0, false);
    else if (event.key === "End") seek(duration, false);
    else return;
    event.preventDefault();
  });

  const choose = (index) => {
    chosen?.li.classList.remove("chosen");
    chosen = segments[Math.min(Math.max(0, index), segments.length - 1)];
    chosen.li.classList.add("chosen");
    chosen.li.querySelector("[data-seek]").focus({ preventScroll: true });
    chosen.li.scrollIntoView({ block: "nearest" });
    seek(chosen.start, false);
  };
  for (const segment of segments) {
    segment.li.querySelector("[data-seek]").addEventListener("click", () => seek(segment.start, true));
    segment.li.querySelector("[data-text]").addEventListener("click", () => {
      if (getSelection().isCollapsed) seek(segment.start, true);
    });
  }
  for (const button of document.querySelectorAll("[data-seek-to]")) {
    button.addEventListener("click", () => seek(Number(button.dataset.seekTo), true));
  }
  document.addEventListener("keydown", (event) => {
    if (!plain(event)) return;
    const index = chosen ? segments.indexOf(chosen) : segments.indexOf(current);
    if (event.key === " " && !event.target.closest("button.play, summary, a, [data-play]")) toggle();
    else if (event.key === "j" && segments.length) choose(index + 1);
    else if (event.key === "k" && segments.length) choose(index < 0 ? 0 : index - 1);
    else if (event.key === "e" && (chosen ?? current)) {
      const edit = (chosen ?? current).li.querySelector("[data-edit]");
      if (!edit) return;
      edit.open = true;
      edit.querySelector("textarea").focus();
    } else return;
    event.preventDefault();
  });
  // A segment's own button plays from there; the space bar on it would do so too, so both agree.
  show();
}

function setUpSearch() {
  const find = transcript.querySelector("[data-find]");
  if (!find) return;
  find.hidden = false;
  find.addEventListener("input", () => {
    const words = find.value.trim();
    for (const { li } of segments) {
      li.classList.toggle("missed", words !== "" && !li.querySelector("[data-text]").textContent.includes(words));
    }
  });
}

// Finished sentences that stay above the one being said.
const CAPTIONS = 50;

function showCaption(call) {
  const lines = document.querySelector("[data-captions] [data-lines]");
  if (!lines || !call.caption) return;
  const last = lines.lastElementChild;
  // What is still being said replaces itself; a finished sentence that is told again is the same one.
  const same = last && (last.classList.contains("partial") || last.textContent === call.caption);
  const line = same ? last : lines.appendChild(document.createElement("li"));
  line.textContent = call.caption;
  line.classList.toggle("partial", call.partial);
  while (lines.children.length > CAPTIONS) lines.firstElementChild.remove();
}

function awaitTranscript() {
  const live = document.querySelector("[data-captions]");
  if (!live && !["queued", "running"].includes(transcript.dataset.state) && audio) return;
  const id = location.pathname.split("/").pop();
  follow({
    board(board) {
      const call = board.find((each) => each.id === id);
      if (call) showCaption(call);
    },
    news(news) {
      if (news.kind === "call" && news.id === id) showCaption(news);
      // Reload only what nobody is working on: the reader may be typing or listening.
      const busy = document.activeElement?.closest("form") || (audio && !audio.paused);
      if (news.kind === "call_stored" && news.id === id && !busy) location.reload();
    },
  });
}
