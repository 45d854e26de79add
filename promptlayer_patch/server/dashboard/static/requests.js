"use strict";
/* The list of requests: completion in the query bar, times of the viewer's zone, selection. */

(() => {
  const FOCUS = "promptlayer_patch.focus";
  const FOLDED = "promptlayer_patch.filters-folded";

  /* --- the query bar: a combobox whose list comes from the server */

  function combobox(input) {
    const list = document.getElementById(input.getAttribute("aria-controls"));
    let found = { span: [0, 0], suggestions: [] };
    let chosen = -1;
    let asking = null;

    function hide() {
      list.hidden = true;
      chosen = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function choose(place) {
      chosen = place;
      list.querySelectorAll("li").forEach((item, at) => {
        item.setAttribute("aria-selected", String(at === chosen));
        if (at === chosen) item.scrollIntoView({ block: "nearest" });
      });
      if (chosen < 0) input.removeAttribute("aria-activedescendant");
      else input.setAttribute("aria-activedescendant", `${list.id}-${chosen}`);
    }

    function show() {
      list.replaceChildren(
        ...found.suggestions.map((one, at) => {
          const item = document.createElement("li");
          item.id = `${list.id}-${at}`;
          item.role = "option";
          item.setAttribute("aria-selected", "false");
          const text = document.createElement("span");
          text.className = "mono truncate";
          text.textContent = one.text;
          const says = document.createElement("span");
          says.className = "says truncate";
          says.textContent = one.count === null ? one.says : one.count.toLocaleString();
          item.append(text, says);
          return item;
        }),
      );
      list.hidden = !found.suggestions.length;
      input.setAttribute("aria-expanded", String(!list.hidden));
      choose(-1);
    }

    async function ask() {
      asking?.abort();
      asking = new AbortController();
      const query = new URLSearchParams({ q: input.value, at: input.selectionStart ?? 0 });
      try {
        const answer = await fetch(`/complete?${query}`, { signal: asking.signal });
        if (!answer.ok) return hide();
        found = await answer.json();
        if (document.activeElement === input) show();
      } catch (fault) {
        if (fault.name !== "AbortError") hide();
      }
    }

    function take(place) {
      const { text } = found.suggestions[place];
      const whole = !/[:.<>=]$/.test(text);
      const rest = input.value.slice(found.span[1]).replace(/^ /, "");
      const start = input.value.slice(0, found.span[0]) + text + (whole ? " " : "");
      input.value = start + rest;
      input.setSelectionRange(start.length, start.length);
      hide();
      if (!whole) ask();
    }

    input.addEventListener("input", ask);
    input.addEventListener("click", ask);
    input.addEventListener("blur", hide);
    input.addEventListener("keydown", (event) => {
      const last = found.suggestions.length - 1;
      if (event.isComposing) return;
      if (event.key === "Escape" && list.hidden) input.blur();
      else if (event.key === "Escape") hide();
      else if (event.key === "ArrowDown" && list.hidden) ask();
      else if (list.hidden) return;
      else if (event.key === "ArrowDown") choose(chosen >= last ? 0 : chosen + 1);
      else if (event.key === "ArrowUp") choose(chosen <= 0 ? last : chosen - 1);
      else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(chosen);
      else return;
      event.preventDefault();
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const item = event.target.closest("li");
      if (item) take([...list.children].indexOf(item));
    });
  }

  document.querySelectorAll("[role=combobox]").forEach(combobox);

  /* --- times that are typed are those of the viewer's zone */

  for (const input of document.querySelectorAll("[data-zoned] [data-at]")) {
    const at = new Date(input.dataset.at);
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    if (!Number.isNaN(at.getTime())) input.value = local.toISOString().slice(0, 19);
  }

  document.addEventListener("formdata", (event) => {
    if (!event.target.matches("[data-zoned]")) return;
    for (const name of ["from", "to"]) {
      const at = new Date(event.formData.get(name));
      if (Number.isNaN(at.getTime())) event.formData.delete(name);
      else event.formData.set(name, at.toISOString());
    }
  });

  /* --- selecting rows */

  function selection(form) {
    const all = form.querySelector("#pick-all");
    const label = form.querySelector("[data-selected-label]");
    const count = form.querySelector("[data-selected-count]");
    const idle = label.textContent;
    const boxes = () => [...form.querySelectorAll("#rows input[name=id]")];
    let last = null;

    function shown() {
      const picked = boxes().filter((box) => box.checked).length;
      all.checked = picked > 0 && picked === boxes().length;
      all.indeterminate = picked > 0 && !all.checked;
      label.textContent = picked ? `${label.dataset.selectedLabel} ${picked}` : idle;
      count.textContent = picked ? `(${picked})` : "";
    }

    all.hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes()) box.checked = all.checked;
      shown();
    });
    form.addEventListener("click", (event) => {
      if (event.target.name !== "id") return;
      const every = boxes();
      if (event.shiftKey && last) {
        const [from, to] = [every.indexOf(last), every.indexOf(event.target)].sort((one, other) => one - other);
        for (const box of every.slice(Math.max(0, from), to + 1)) box.checked = event.target.checked;
      }
      last = event.target;
    });
    form.addEventListener("change", shown);
    form.addEventListener("keydown", (event) => {
      // Enter in a field is for the button beside it, not for the first one of the form.
      if (event.key !== "Enter" || !/^(text|number)$/.test(event.target.type)) return;
      event.preventDefault();
      event.target.closest(".field")?.querySelector("button")?.click();
    });
    form.addEventListener("submit", (event) => {
      const field = event.submitter?.closest(".field")?.querySelector("input");
      if (field && !field.value) {
        event.preventDefault();
        field.focus();
        return;
      }
      const whole = form.querySelector("[name=all][value=yes]").checked;
      if (whole || boxes().some((box) => box.checked)) return;
      event.preventDefault();
      dashboard.toast(form.dataset.none, "bad");
    });
    shown();
    document.addEventListener("htmx:after:swap", shown);
  }

  const form = document.querySelector("#bulk");
  if (form) selection(form);

  /* --- the sidebar: folded on narrow screens, on others where it was folded before */

  const filters = document.querySelector("#filters");
  const isNarrow = matchMedia("(max-width: 60rem)").matches;
  if (filters && (isNarrow || localStorage.getItem(FOLDED))) filters.open = false;
  filters?.querySelector("summary").addEventListener("click", () => {
    if (isNarrow) return;
    if (filters.open) localStorage.setItem(FOLDED, "yes");
    else localStorage.removeItem(FOLDED);
  });

  /* --- a row is opened by a click anywhere on it */

  document.querySelector("#rows")?.addEventListener("click", (event) => {
    if (event.target.closest("a, button, input, label") || getSelection().toString()) return;
    event.target.closest("[data-row]")?.querySelector("[data-open]")?.click();
  });

  /* --- what was clicked in the sidebar has the focus again on the page that comes */

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".facet a.value");
    if (link) sessionStorage.setItem(FOCUS, link.dataset.name);
  });
  document.addEventListener("htmx:after:swap", () => {
    const address = sessionStorage.getItem(FOCUS);
    const link = address && document.querySelector(`.facet a.value[data-name="${CSS.escape(address)}"]`);
    if (link) {
      sessionStorage.removeItem(FOCUS);
      (filters.open ? link : filters.querySelector("summary")).focus({ preventScroll: true });
    }
  });
})();
