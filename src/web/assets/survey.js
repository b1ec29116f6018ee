// Plays a questionnaire from its greeting to its end, one prompt after the other, as somebody would hear it.

const sounds = [...document.querySelectorAll("section > .spoken audio, .asked > li > .spoken audio")];
const play = document.querySelector("[data-play]");
const stop = document.querySelector("[data-stop]");
let at = null;

const halt = () => {
  if (at !== null) sounds[at].pause();
  at = null;
  stop.hidden = true;
  play.hidden = false;
};

const next = (index) => {
  if (index >= sounds.length) return halt();
  at = index;
  const sound = sounds[index];
  sound.scrollIntoView({ block: "nearest" });
  sound.currentTime = 0;
  sound.addEventListener("ended", () => at === index && next(index + 1), { once: true });
  sound.play().catch(halt);
};

play.hidden = sounds.length === 0;
play.addEventListener("click", () => {
  play.hidden = true;
  stop.hidden = false;
  stop.focus();
  next(0);
});
stop.addEventListener("click", () => {
  halt();
  play.focus();
});
