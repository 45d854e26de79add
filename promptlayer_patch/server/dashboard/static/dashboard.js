"use strict";
/* What every page does beside showing itself: times of the viewer's zone, keys, dialogs, copying. */

const dashboard = {
  /** Say something for a moment, to the eye and to screen readers. */
  toast(text, kind = "") {
    const toast = document.createElement("div");
    toast.className = `toast ${kind}`;
    toast.textContent = text;
    document.querySelector("#toasts")?.append(toast);
    setTimeout(() => toast.remove(), 4000);
  },

  /** A moment in the viewer's zone, to the minute. */
  minute(at) {
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    return local.toISOString().slice(0, 16).replace("T", " ");
  },

  /** The word of the interface for `key`, from the frame's `data-word-…`. */
  word(key) {
    return document.body.dataset[`word${key}`] ?? "";
  },

  /** Ask with the page's own dialog; gives whether it was agreed to. */
  ask(text) {
    const dialog = document.querySelector("#ask");
    dialog.querySelector("p").textContent = text;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  },
};

(() => {
  const two = (number) => String(number).padStart(2, "0");

  function unbroken(text) {
    const part = document.createElement("span");
    part.textContent = text;
    return part;
  }

  function localTime(time) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    const show = time.dataset.show;
    const isThisYear = at.getFullYear() === new Date().getFullYear();
    if (show === "day") time.textContent = day;
    else time.replaceChildren(unbroken(show === "short" && isThisYear ? day.slice(5) : day), " ", unbroken(clock));
    time.title = at.toLocaleString(document.documentElement.lang, { dateStyle: "full", timeStyle: "long" });
  }

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) localTime(time);
  }

  function isTyping(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }

  const rows = () => [...document.querySelectorAll("[data-rows] > [data-row]")];

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.hasAttribute("aria-current"));
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
    all[at]?.removeAttribute("aria-current");
    next.setAttribute("aria-current", "true");
    next.scrollIntoView({ block: "nearest" });
    next.querySelector("[data-open]")?.focus({ preventScroll: true });
  }

  const current = () => document.querySelector("[data-row][aria-current]");

  const keys = {
    "?": () => document.querySelector("#keys")?.showModal(),
    "/": () => {
      const search = document.querySelector("[data-search]");
      search?.focus();
      search?.select();
    },
    j: () => move(1),
    k: () => move(-1),
    o: () => current()?.querySelector("[data-open]")?.click(),
    x: () => current()?.querySelector("input[type=checkbox]")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) && event.target.type !== "checkbox") return;
    if (document.querySelector("dialog[open]")) return;
    const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-row]");
    if (!row || row.hasAttribute("aria-current")) return;
    current()?.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
  });

  async function copy(button) {
    const text = button.dataset.copy || document.querySelector(button.dataset.copyFrom)?.textContent || "";
    try {
      await navigator.clipboard.writeText(text);
      dashboard.toast(dashboard.word("Copied"));
    } catch {
      dashboard.toast(dashboard.word("NotCopied"), "bad");
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.dialog) document.querySelector(button.dataset.dialog)?.showModal();
    if (button && ("copy" in button.dataset || "copyFrom" in button.dataset)) copy(button);
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    if (event.target.tagName === "DIALOG") event.target.close();
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  /* A form that asks first: `data-confirm` has the question. */
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (!question || form.dataset.agreed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (await dashboard.ask(question)) {
      form.dataset.agreed = "yes";
      form.requestSubmit(event.submitter);
      delete form.dataset.agreed;
    }
  }, true);

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  localTimes(document);
  document.addEventListener("htmx:after:swap", () => localTimes(document));
  dashboard.localTimes = localTimes;
})();
