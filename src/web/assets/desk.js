// The desk's window: one WebSocket to the gateway, one microphone, one call at a time. Other pages see and steer it over a
// BroadcastChannel.

const desk = document.querySelector("[data-desk]");
const part = (name) => desk.querySelector(`[data-${name}]`);
const button = (name) => desk.querySelector(`[data-do="${name}"]`);
const word = (name) => desk.getAttribute(`data-word-${name}`) ?? "";
const channel = new BroadcastChannel("minxin-desk");
const relays = JSON.parse(desk.dataset.relays);

const RECONNECT_MS = 1000;
const RING_HZ = 450; // As China's network sounds it.

// Which buttons stand in which state.
const BUTTONS = {
  connecting: [],
  replaced: [],
  busy: ["ready"],
  ready: ["busy"],
  ringing: ["answer", "decline"],
  talking: ["mute", "hold", "hang_up"],
  holding: ["hold", "hang_up"],
  wrap_up: ["ready", "busy"],
  parked: ["take_back"],
};

let socket = null;
let view = { state: "connecting" };
let since = Date.now();
let microphone = null;
let line = null; // { call, connection }
let ring = null;

const trouble = (text) => {
  part("trouble").textContent = text;
  part("trouble").hidden = !text;
};

const send = (message) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
};

/** The microphone, asked for once. */
const listen = async () => {
  if (microphone?.active) return microphone;
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
    trouble("");
    return microphone;
  } catch {
    trouble(word("no_microphone"));
    return null;
  }
};

const release = () => {
  line?.connection.close();
  line = null;
  part("sound").srcObject = null;
};

/** Offers the gateway A-law and keys, and sends the offer as the answer to its call. */
const answer = async (call) => {
  const sound = await listen();
  if (!sound) return;
  release();
  const connection = new RTCPeerConnection({ iceServers: relays });
  line = { call, connection };
  connection.ontrack = (event) => {
    part("sound").srcObject = event.streams[0] ?? new MediaStream([event.track]);
  };
  const transceiver = connection.addTransceiver(sound.getAudioTracks()[0], { direction: "sendrecv" });
  const ours = RTCRtpReceiver.getCapabilities("audio").codecs.filter(
    ({ mimeType, clockRate }) => clockRate === 8000 && /^audio\/(pcma|telephone-event)$/i.test(mimeType),
  );
  transceiver.setCodecPreferences(ours);
  await connection.setLocalDescription(await connection.createOffer());
  send({ type: "answer", call, sdp: connection.localDescription.sdp });
};

const mute = (on) => {
  for (const track of microphone?.getAudioTracks() ?? []) track.enabled = !on;
  button("mute").setAttribute("aria-pressed", String(on));
  button("mute").textContent = word(on ? "unmute" : "mute");
};

const muted = () => button("mute").getAttribute("aria-pressed") === "true";

/** Rings for as long as the state says so. */
const sound = (on) => {
  if (on === (ring !== null)) return;
  if (!on) {
    ring.close();
    ring = null;
    return;
  }
  ring = new AudioContext();
  const tone = new OscillatorNode(ring, { frequency: RING_HZ });
  const level = new GainNode(ring, { gain: 0 });
  for (let burst = 0; burst < 10; burst += 1) {
    level.gain.setValueAtTime(0.15, ring.currentTime + burst * 3);
    level.gain.setValueAtTime(0, ring.currentTime + burst * 3 + 1);
  }
  tone.connect(level).connect(ring.destination);
  tone.start();
};

const act = {
  ready: async () => (await listen()) && send({ type: "ready" }),
  busy: () => send({ type: "busy" }),
  answer: () => view.state === "ringing" && answer(view.call),
  decline: () => send({ type: "decline", call: view.call }),
  take_back: () => view.state === "parked" && answer(view.call),
  mute: () => mute(!muted()),
  hold: () => send({ type: "hold", on: view.state === "talking" }),
  hang_up: () => send({ type: "hang_up" }),
  transfer: () => part("colleagues").value && send({ type: "transfer", to: part("colleagues").value }),
};

const show = () => {
  const { state, shown, call } = view;
  desk.dataset.state = state;
  part("said").textContent = word(state);
  document.title = document.title.replace(/^(\(.*?\) )?/, state === "ringing" ? `(${word("ringing")}) ` : "");
  for (const one of desk.querySelectorAll("[data-do]")) {
    if (one.dataset.do !== "transfer") one.hidden = !BUTTONS[state].includes(one.dataset.do);
  }
  const held = state === "holding";
  button("hold").setAttribute("aria-pressed", String(held));
  button("hold").textContent = word(held ? "resume" : "hold");
  part("caller").hidden = !call;
  part("line").textContent = shown?.line ?? "";
  part("number").textContent = shown ? (shown.caller ?? word("withheld")) : "";
  if (call) part("page").href = `/calls/${call}`;
  part("queue").textContent = view.waiting ? `${view.waiting} ${word("waiting")}` : "";
  for (const set of desk.querySelectorAll("[data-talking]")) set.hidden = state !== "talking";
  const colleagues = view.ready_colleagues ?? [];
  part("colleagues").replaceChildren(...colleagues.map((name) => new Option(name)));
  part("nobody").hidden = colleagues.length > 0;
  button("transfer").disabled = colleagues.length === 0;
  sound(state === "ringing");
  channel.postMessage({ view });
};

const clock = () => {
  const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
  part("clock").textContent = view.for_s === undefined ? "" : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

const heard = {
  state: (message) => {
    if (message.state !== view.state) trouble("");
    view = message;
    since = Date.now() - message.for_s * 1000;
    if (message.call !== line?.call || message.state === "parked") release();
    if (!message.call) mute(false);
    show();
  },
  answer: ({ call, sdp }) => {
    if (line?.call !== call) return;
    line.connection.setRemoteDescription({ type: "answer", sdp }).catch(() => trouble(word("failed")));
  },
  error: ({ error }) => trouble(word(error) || word("failed")),
  replaced: () => {
    view = { state: "replaced" };
    release();
    show();
  },
};

const connect = () => {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/desk`);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    heard[message.type]?.(message);
  };
  socket.onclose = () => {
    if (view.state === "replaced") return;
    view = { state: "connecting" };
    release();
    show();
    setTimeout(connect, RECONNECT_MS);
  };
};

desk.addEventListener("click", (event) => {
  const one = event.target.closest("[data-do]");
  if (one) act[one.dataset.do]?.();
  const key = event.target.closest("[data-key]")?.dataset.key;
  if (key) line?.connection.getSenders()[0]?.dtmf?.insertDTMF(key, 100);
});

// The keys of the keypad on the keyboard, while talking and not in a field.
addEventListener("keydown", ({ key, target, ctrlKey, altKey, metaKey }) => {
  if (view.state !== "talking" || ctrlKey || altKey || metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  if (/^[0-9*#]$/.test(key)) line?.connection.getSenders()[0]?.dtmf?.insertDTMF(key, 100);
});

channel.onmessage = ({ data }) => {
  if (data.do) act[data.do]?.();
  else if (data.ask) channel.postMessage({ view });
};

addEventListener("pagehide", () => channel.postMessage({ view: { state: "offline" } }));
setInterval(clock, 1000);
show();
connect();
