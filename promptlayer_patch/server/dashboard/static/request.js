"use strict";
/* The page of one request: marking for comparing, copying raw data, and focus that stays where it was. */

(() => {
  const MARKED = "promptlayer_patch.compare";

  /* The first press marks, the second one on another request compares with the marked one. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-compare]");
    // Whoever clicks goes where the link says, to choose; the key `c` is a click that nobody has made.
    if (!link || event.isTrusted) return;
    event.preventDefault();
    const marked = sessionStorage.getItem(MARKED);
    if (marked && marked !== link.dataset.compare) {
      sessionStorage.removeItem(MARKED);
      location.assign(`/compare?a=${encodeURIComponent(marked)}&b=${encodeURIComponent(link.dataset.compare)}`);
    } else {
      sessionStorage.setItem(MARKED, link.dataset.compare);
      dashboard.toast(link.dataset.marked);
    }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy-file]");
    if (!button) return;
    try {
      const answer = await fetch(button.dataset.copyFile);
      if (!answer.ok) throw new Error(String(answer.status));
      await navigator.clipboard.writeText(JSON.stringify(await answer.json(), null, 2));
      dashboard.toast(dashboard.word("Copied"));
    } catch {
      dashboard.toast(dashboard.word("NotCopied"), "bad");
    }
  });

  /* A new panel in place of the old one: the focus goes to the field that was written in; where something was
     taken away, to what has moved up into its place. */
  let part = null;
  let place = -1;
  const takes = (section) => [...section.querySelectorAll(".take")];
  document.addEventListener("submit", (event) => {
    const section = event.target.closest("#about section");
    part = section?.id ?? null;
    place = section ? takes(section).indexOf(event.submitter) : -1;
  });
  document.addEventListener("htmx:after:swap", () => {
    const section = part && document.querySelector(`#about #${part}`);
    part = null;
    if (!section) return;
    const left = place < 0 ? [] : takes(section);
    (left[Math.min(place, left.length - 1)] ?? section.querySelector(".add input")).focus();
  });
})();
