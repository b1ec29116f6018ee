// Keys that work on every page: "/" goes to the search field, Escape leaves it.

/** Whether a key press belongs to a field that is being typed in. */
export const typing = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));

/** Whether a key press is an ordinary one: no modifier, no field, no input method composing. */
export const plain = (event) =>
  !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing && !typing(event.target);

document.addEventListener("keydown", (event) => {
  const search = document.querySelector("[data-search]:not([hidden])");
  if (event.key === "/" && plain(event) && search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search) {
    search.blur();
  }
});
