"use strict";
/* The tree of a trace: keys as in every tree, and spans that are looked at without leaving the page. */

(() => {
  const tree = document.querySelector(".tree");
  if (!tree) return;

  const lines = () => [...tree.querySelectorAll(".line > a")].filter((line) => line.checkVisibility());
  const inside = (line) => line.closest("li").querySelector(":scope > details");

  function step(line, by) {
    const all = lines();
    all[all.indexOf(line) + by]?.focus();
  }

  const keys = {
    ArrowDown: (line) => step(line, 1),
    ArrowUp: (line) => step(line, -1),
    ArrowRight: (line) => {
      const own = inside(line);
      if (own && !own.open) own.open = true;
      else if (own) step(line, 1);
    },
    ArrowLeft: (line) => {
      const own = inside(line);
      if (own?.open) own.open = false;
      else line.closest("ul")?.closest("li")?.querySelector(".line > a")?.focus();
    },
    Home: () => lines()[0]?.focus(),
    End: () => lines().at(-1)?.focus(),
  };
  keys.j = keys.ArrowDown;
  keys.k = keys.ArrowUp;

  tree.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const line = event.target.closest(".line > a");
    if (!line || !keys[event.key]) return;
    keys[event.key](line);
    event.preventDefault();
    event.stopPropagation();
  });

  const buttons = document.querySelector(".tree-buttons");
  buttons.hidden = !tree.querySelector("details");
  buttons.addEventListener("click", (event) => {
    const wish = event.target.closest("[data-tree]")?.dataset.tree;
    if (!wish) return;
    for (const one of tree.querySelectorAll("details")) one.open = wish === "open";
  });

  let asked = 0;

  async function show(address) {
    const number = ++asked;
    const answer = await fetch(address, { headers: { "HX-Request": "true" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (number !== asked) return;
    const span = document.importNode(page.querySelector("#span"), true);
    document.querySelector("#span").replaceWith(span);
    dashboard.localTimes(span);
    const wanted = new URL(address, location.href).search;
    for (const line of tree.querySelectorAll(".line > a")) {
      if (new URL(line.href).search === wanted) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    }
  }

  document.querySelector(".trace").addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='?span=']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    show(link.href).then(
      () => history.pushState(null, "", link.href),
      () => location.assign(link.href),
    );
  });
  // Back to a span that was looked at before: the page as its address says.
  addEventListener("popstate", () => location.reload());
})();
