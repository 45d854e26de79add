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

  /* A new panel in place of the old one: the field that was written in is there again, and is gone to. */
  let part = null;
  document.addEventListener("submit", (event) => {
    part = event.target.closest("#about section")?.id ?? null;
  });
  document.addEventListener("htmx:after:swap", () => {
    if (part) document.querySelector(`#about #${part} .add input`)?.focus();
    part = null;
  });
})();
