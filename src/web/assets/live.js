// The stream of what goes on, and lists that refresh themselves from it.

const REFRESH_EVERY_MS = 1000;
const RECONNECT_MS = 3000;

/** Follows the stream; `on` holds a function for each kind of event: board, news, levels, recognition. */
export const follow = (on) => {
  const lost = document.querySelector("[data-lost]");
  const source = new EventSource("/live/events");
  source.addEventListener("open", () => lost && (lost.hidden = true));
  source.addEventListener("error", () => {
    // The browser reconnects by itself and says what it saw last, unless it was refused outright.
    setTimeout(() => lost && source.readyState !== EventSource.OPEN && (lost.hidden = false), RECONNECT_MS);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(on), RECONNECT_MS * 3);
  });
  for (const kind of ["board", "news", "levels", "recognition"]) {
    source.addEventListener(kind, (event) => on[kind]?.(JSON.parse(event.data)));
  }
  addEventListener("pagehide", () => source.close(), { once: true });
};

/** A function that fetches this page anew and puts its rows in place of the old ones, at most once a second. */
export const refresher = () => {
  let due = null;
  let last = 0;
  const refresh = async () => {
    due = null;
    last = Date.now();
    const old = document.getElementById("rows");
    // Not under a reader's hands: a focused row would vanish.
    if (!old?.hasAttribute("data-first") || old.contains(document.activeElement)) return;
    const response = await fetch(location.href, { headers: { "x-minxin-background": "1" } });
    if (!response.ok || response.redirected) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("rows");
    if (!fresh) return;
    const known = new Set([...old.querySelectorAll("a.row")].map((a) => a.getAttribute("href")));
    for (const link of fresh.querySelectorAll("a.row")) {
      if (!known.has(link.getAttribute("href"))) link.closest("tr").classList.add("fresh");
    }
    old.replaceWith(document.adoptNode(fresh));
  };
  return () => {
    due ??= setTimeout(() => refresh().catch(() => {}), Math.max(0, last + REFRESH_EVERY_MS - Date.now()));
  };
};
