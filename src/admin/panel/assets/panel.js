// What the pages need beyond htmx. Everything here is a comfort: without it the pages still work.
"use strict";

// Selects the text of an element, for somebody to copy it by hand.
const select = (from) => {
  if ("value" in from) { from.focus(); from.select(); return; }
  window.getSelection().selectAllChildren(from);
};

// Copies the text of the element that data-copy names. A browser lets pages copy over https and on the machine itself
// only, and may refuse even there: then the text is selected.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  if (!from) return;
  try {
    await navigator.clipboard.writeText("value" in from ? from.value : from.textContent.trim());
  } catch {
    select(from);
    return;
  }
  const said = button.textContent;
  button.textContent = button.dataset.copied ?? "✓";
  setTimeout(() => { button.textContent = said; }, 1500);
});

// Says beside a slider where it stands, in the element that data-shown-in names.
const showSlider = (slider) => {
  const output = document.getElementById(slider.dataset.shownIn);
  if (!output) return;
  output.value = slider.value;
  output.hidden = false;
};
for (const slider of document.querySelectorAll("[data-shown-in]")) showSlider(slider);
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-shown-in]")) showSlider(event.target);
});

// Asks before what cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// The menu stands open where there is room for it, and closes with Escape where it lies over the page.
const menu = document.querySelector("[data-menu]");
if (menu) {
  const room = window.matchMedia("(min-width: 60rem)");
  const fit = () => { menu.open = room.matches; };
  room.addEventListener("change", fit);
  fit();
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !room.matches) { menu.open = false; menu.querySelector("summary").focus(); }
  });
}

// A form whose fields are chosen rather than typed may be sent as soon as one changes.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-send-on-change]");
  if (form) form.requestSubmit();
});

// Times in the reader's zone; the server's text stays as the title.
const renewTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
  }
};
renewTimes(document);
document.addEventListener("htmx:after:swap", () => renewTimes(document));
document.addEventListener("htmx:sse:after:message", () => renewTimes(document));

// Looks until the server answers again, and goes on.
for (const waiting of document.querySelectorAll("[data-wait-for]")) {
  const look = async () => {
    const answer = await fetch(waiting.dataset.waitFor, { cache: "no-store" }).catch(() => null);
    if (answer?.ok) { window.location.replace(waiting.dataset.then); return; }
    setTimeout(look, 1000);
  };
  // The one that stops still answers for a moment.
  setTimeout(look, 2500);
}
