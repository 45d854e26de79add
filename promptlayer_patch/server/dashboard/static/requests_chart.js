"use strict";
/* The chart above the list: what a point says, and a time to choose by drawing over it or by keyboard. */

(() => {
  function brush(plot) {
    const points = JSON.parse(plot.dataset.points);
    const step = Number(plot.dataset.step);
    const told = document.querySelector("#chart-told");
    const brushed = plot.querySelector(".brushed");
    const width = 10;
    const end = points.length - 1;
    let first = null;
    let [anchor, head] = [end, end]; // what is chosen by keyboard, from one end to the other

    const place = (event) => {
      const box = plot.getBoundingClientRect();
      const at = Math.floor(((event.clientX - box.left) / box.width) * points.length);
      return Math.min(end, Math.max(0, at));
    };
    const iso = (seconds) => new Date(seconds * 1000).toISOString();

    function tell(at) {
      const [begins, ok, warning, error] = points[at];
      const said = [[ok, "ok"], [warning, "warning"], [error, "error"]].filter(([count]) => count);
      const counts = said.map(([count, kind]) => `${count.toLocaleString()} ${plot.dataset[kind]}`).join(", ");
      told.textContent = `${dashboard.minute(new Date(begins * 1000))}: ${counts || "0"}`;
    }

    function draw(one, other) {
      const [from, to] = [Math.min(one, other), Math.max(one, other)];
      brushed.setAttribute("x", from * width);
      brushed.setAttribute("width", (to - from + 1) * width);
      told.textContent = `${dashboard.minute(new Date(points[from][0] * 1000))} – ${dashboard.minute(new Date((points[to][0] + step) * 1000))}`;
    }

    function clear() {
      brushed.setAttribute("width", 0);
      told.textContent = told.dataset.idle;
    }

    function show(one, other) {
      const [from, to] = [one, other].sort((first, second) => first - second);
      const where = new URL(plot.dataset.brush, location.href);
      where.searchParams.set("from", iso(points[from][0]));
      where.searchParams.set("to", iso(points[to][0] + step));
      location.assign(where);
    }

    plot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      first = place(event);
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (first === null) tell(place(event));
      else draw(first, place(event));
    });
    plot.addEventListener("pointerleave", () => {
      if (first === null) told.textContent = told.dataset.idle;
    });
    plot.addEventListener("pointercancel", () => {
      first = null;
      clear();
    });
    plot.addEventListener("pointerup", (event) => {
      if (first === null) return;
      show(first, place(event));
      first = null;
    });

    /* By keyboard it is a slider: arrows choose a point, with shift a stretch of them, Enter shows it. */
    function stand(at, stretching) {
      head = Math.min(end, Math.max(0, at));
      if (!stretching) anchor = head;
      draw(anchor, head);
      if (anchor === head) tell(head);
      plot.setAttribute("aria-valuenow", head);
      plot.setAttribute("aria-valuetext", told.textContent);
    }

    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -end, End: end };
    plot.tabIndex = 0;
    plot.role = "slider";
    plot.setAttribute("aria-valuemin", 0);
    plot.setAttribute("aria-valuemax", end);
    plot.setAttribute("aria-valuenow", head);
    plot.setAttribute("aria-label", plot.dataset.keys);
    plot.addEventListener("focus", () => {
      if (plot.matches(":focus-visible")) stand(head, true);
    });
    plot.addEventListener("blur", clear);
    plot.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) stand(head + steps[event.key], event.shiftKey);
      else if (event.key === "Enter") show(anchor, head);
      else if (event.key === "Escape") stand(head, false);
      else return;
      event.preventDefault();
    });
  }

  let inPlot = false;
  document.addEventListener("htmx:before:swap", () => {
    inPlot ||= document.activeElement.matches(".plot");
  });
  document.addEventListener("htmx:after:swap", () => {
    const plot = document.querySelector(".plot:not([data-ready])");
    if (!plot) return;
    plot.dataset.ready = "";
    brush(plot);
    if (inPlot) plot.focus();
    inPlot = false;
  });
})();
