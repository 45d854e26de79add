"use strict";
/* The live tail: new requests come in on top as long as the page is looked at. */

(() => {
  const EVERY_MS = 2000;
  const MOST_MS = 60000;
  const MOST_ROWS = 1000;
  const KEPT = "promptlayer_patch.live";

  /** Ask for `address()` time and again while `wanted()`, less often while the server does not answer. */
  function watching(address, wanted, arrived) {
    let timer = null;
    let wait = EVERY_MS;

    async function look() {
      timer = null;
      try {
        const answer = await fetch(address(), { headers: { "HX-Request": "true" } });
        if (answer.status === 200) arrived(await answer.text());
        else if (answer.status !== 204) throw new Error(String(answer.status));
        wait = EVERY_MS;
      } catch {
        wait = Math.min(MOST_MS, wait * 2);
      }
      next();
    }

    function next() {
      clearTimeout(timer);
      timer = wanted() && !document.hidden ? setTimeout(look, wait) : null;
    }

    document.addEventListener("visibilitychange", next);
    next();
    return next;
  }

  const rowsOf = (root) => [...root.querySelectorAll("[data-row]")];

  /** Put the rows of the first page in: what has changed is replaced, what is new comes in. Gives how many are
      new, and whether there may be more between these and those that were there. */
  function merge(body, fresh) {
    const known = new Map(rowsOf(body).map((row) => [row.dataset.id, row]));
    const rows = rowsOf(fresh);
    const added = rows.filter((row) => !known.has(row.dataset.id));
    for (const row of added) row.classList.add("arrived");
    if (known.size && added.length === rows.length) {
      // More have come than a page holds: what lies between is on the pages behind it.
      body.replaceChildren(...fresh.children);
      return [added.length, true];
    }
    let before = null;
    for (const row of rows) {
      const old = known.get(row.dataset.id);
      const changed = old && old.dataset.mark !== row.dataset.mark;
      if (changed && !old.contains(document.activeElement)) {
        row.querySelector("input[name=id]").checked = old.querySelector("input[name=id]").checked;
        old.replaceWith(row);
      } else if (!old && before) before.after(row);
      else if (!old) body.prepend(row);
      before = row.isConnected ? row : old;
    }
    return [added.length, false];
  }

  function count(added, more) {
    const shown = document.querySelector("#count [data-count]");
    if (!shown) return;
    shown.dataset.count = Number(shown.dataset.count) + added;
    shown.textContent = Number(shown.dataset.count).toLocaleString("en") + (more ? "+" : "");
    if (more) delete shown.dataset.count;
  }

  function tail(button, body) {
    const isOn = () => button.getAttribute("aria-pressed") === "true";

    const next = watching(
      () => `${body.dataset.live}${body.dataset.live.includes("?") ? "&" : "?"}known=${body.dataset.mark}`,
      isOn,
      (text) => {
        const page = document.createElement("template");
        page.innerHTML = text;
        body.dataset.mark = page.content.querySelector("[data-page]").dataset.page;
        const [added, more] = merge(body, page.content);
        dashboard.localTimes(body);
        if (!added) return;
        count(added, more);
        document.querySelector("#none")?.remove();
        document.dispatchEvent(new CustomEvent("requests:arrived"));
        const busy = body.querySelector("input:checked") || scrollY > 0;
        if (rowsOf(body).length > MOST_ROWS && !busy) location.reload();
      },
    );

    function turn(on) {
      button.setAttribute("aria-pressed", String(on));
      sessionStorage.setItem(KEPT, on ? "on" : "off");
      next();
    }

    button.hidden = false;
    button.addEventListener("click", () => turn(!isOn()));
    turn(sessionStorage.getItem(KEPT) !== "off");
  }

  const button = document.querySelector("#live");
  const body = document.querySelector("#rows[data-live]");
  const waiting = document.querySelector("[data-waiting]");
  if (button && body) tail(button, body);
  if (waiting) watching(() => waiting.dataset.waiting, () => true, () => location.reload());
})();
