// A page that is looked at while a campaign runs: its figures are fetched anew every few seconds.

const EVERY_MS = 5000;

const refresh = async () => {
  const old = document.querySelector("[data-watch]");
  // Not under a reader's hands: a focused link would vanish.
  if (document.hidden || !old || old.contains(document.activeElement)) return;
  const response = await fetch(location.href, { headers: { "x-minxin-background": "1" } });
  if (!response.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-watch]");
  if (fresh && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(fresh));
};

setInterval(() => refresh().catch(() => {}), EVERY_MS);
