// The strip in the header: shows what the desk's window says, and passes on what is pressed here.

const strip = document.querySelector("[data-softphone]");
const channel = new BroadcastChannel("minxin-desk");

const BUTTONS = { busy: ["ready"], ready: ["busy"], ringing: ["answer"], talking: ["hang_up"], holding: ["hang_up"], wrap_up: ["ready", "busy"] };

const show = ({ state, shown, call }) => {
  const said = strip.getAttribute(`data-word-${state}`) ?? strip.dataset.wordOffline;
  const who = call && shown ? ` · ${shown.line} · ${shown.caller ?? strip.dataset.wordWithheld}` : "";
  strip.dataset.state = state;
  strip.querySelector("[data-said]").textContent = said + who;
  for (const button of strip.querySelectorAll("[data-do]")) {
    button.hidden = !(BUTTONS[state] ?? []).includes(button.dataset.do);
  }
};

channel.onmessage = ({ data }) => data.view && show(data.view);
strip.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) channel.postMessage({ do: button.dataset.do });
});
// A page that comes back from the browser's cache has missed what was said.
addEventListener("pageshow", () => channel.postMessage({ ask: true }));
channel.postMessage({ ask: true });
