"use strict";
/* Draws each chart from its table. A stretch that is drawn on one becomes the time of the page. */

(() => {
  const HEIGHT = 200;
  const COLOURS = {
    requests: ["--series-1", "--series-3", "--series-bad"],
    default: ["--series-2", "--series-3", "--series-5", "--series-4"],
  };
  const language = document.documentElement.lang;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const sync = uPlot.sync("charts");

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** What a table says: moments, and of each series its name, its numbers and how they are written. */
  function read(table) {
    const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
    const rows = [...table.tBodies[0].rows];
    const moments = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
    const series = names.map((name, place) => {
      const cells = rows.map((row) => row.cells[place + 1]);
      return {
        name,
        numbers: cells.map((cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null)),
        written: cells.map((cell) => cell.textContent),
      };
    });
    return { moments, series, begins: table.tHead.rows[0].cells[0].textContent };
  }

  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const units = {
    count: (value) => (Number.isInteger(value) ? compact.format(value) : ""),
    money: (value) => `$${value < 1 ? Number(value.toPrecision(2)) : compact.format(value)}`,
    seconds: (value) => (value < 1 ? `${Number((value * 1000).toFixed(2))} ms` : `${Number(value.toFixed(2))} s`),
  };

  /** Times of the viewer's zone: days where the steps are days, else the clock, and the day where it begins. */
  function times(chart, splits, axis, space, step) {
    const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
    const clock = new Intl.DateTimeFormat(language, {
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
      ...(step < 60 ? { second: "2-digit" } : {}),
    });
    return splits.map((moment) => {
      const at = new Date(moment * 1000);
      return step >= 86400 || at.getHours() + at.getMinutes() + at.getSeconds() === 0 ? day.format(at) : clock.format(at);
    });
  }

  const moment = (value) => (value === null ? "" : dashboard.minute(new Date(value * 1000)));

  /** Until somebody points at a moment, the legend tells of the last one at which there was something. */
  function resting({ series }) {
    const last = Math.max(...series.map(({ numbers }) => numbers.findLastIndex((number) => number)));
    return (chart) => {
      if (chart.legend.idx === null) chart.setLegend({ idx: last }, false);
    };
  }

  /** On top of each other: the first series at the bottom. */
  function stacked(series) {
    const heights = series[0].numbers.map(() => 0);
    // Nothing is not drawn: a bar behind another of the same height would shine through at its edges.
    return series.map(({ numbers }) =>
      numbers.map((number, place) => (number ? (heights[place] += number) : null)),
    );
  }

  /** A single number has no line to be seen by. */
  const isAlone = ({ numbers }) => numbers.filter((number) => number !== null).length === 1;

  function bars(step) {
    return uPlot.paths.bars({ size: [0.82, 60], align: step ? 1 : 0 });
  }

  /** Seconds for which a moment stands: the last one's bar needs its room as well. A single one has none. */
  const stepOf = (moments) => (moments.length > 1 ? moments[1] - moments[0] : 0);

  function options(figure, known, width) {
    const { moments, series, begins } = known;
    const rest = resting(known);
    const step = stepOf(moments);
    const isStack = "stacked" in figure.dataset;
    const names = COLOURS[figure.dataset.series] ?? COLOURS.default;
    const colours = series.map((one, place) => token(names[place % names.length]));
    const axis = {
      stroke: token("--ink-3"),
      grid: { stroke: token("--line"), width: 1 },
      ticks: { show: false },
      font: `11px ${token("--font")}`,
    };
    const described = series.map((one, place) => ({
      label: one.name,
      stroke: colours[place],
      width: isStack ? 0 : 1.75,
      fill: isStack ? colours[place] : undefined,
      paths: isStack ? bars(step) : undefined,
      points: isStack ? { show: false } : { size: 4, ...(isAlone(one) ? { show: true } : {}) },
      spanGaps: true,
      value: (chart, value, which, at) => (at === null ? "" : one.written[at]),
    }));
    return {
      width,
      height: HEIGHT,
      cursor: {
        sync: { key: sync.key, setSeries: false },
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
      },
      scales: {
        x: { time: true, ...(step ? { range: (chart, first, last) => [first, last + step] } : {}) },
        y: { range: (chart, least, most) => [0, (most || 1) * 1.05] },
      },
      axes: [
        { ...axis, size: 26, values: times, space: 64 },
        { ...axis, size: 56, space: 36, values: (chart, splits) => splits.map(units[figure.dataset.unit]) },
      ],
      series: [
        { label: begins, value: (chart, value) => moment(value) },
        ...(isStack ? described.reverse() : described),
      ],
      hooks: { setSelect: [(chart) => choose(chart, moments)], ready: [rest], setLegend: [rest] },
    };
  }

  function data(figure, { moments, series }) {
    if (!("stacked" in figure.dataset)) return [moments, ...series.map(({ numbers }) => numbers)];
    return [moments, ...stacked(series).reverse()];
  }

  const iso = (seconds) => new Date(seconds * 1000).toISOString();

  /** Show the stretch that was drawn, which is at least one point long. */
  function choose(chart, moments) {
    if (chart.select.width < 4) return;
    const from = chart.posToVal(chart.select.left, "x");
    const to = chart.posToVal(chart.select.left + chart.select.width, "x");
    const step = stepOf(moments) || 3600;
    const address = new URL(location.href);
    address.searchParams.set("from", iso(Math.floor(from)));
    address.searchParams.set("to", iso(Math.ceil(Math.max(to, from + Math.min(step, 60)))));
    location.assign(address);
  }

  function draw(figure) {
    const table = figure.querySelector("table");
    const plot = figure.querySelector(".chart-plot");
    const known = read(table);
    const nothing = known.series.every(({ numbers }) => numbers.every((number) => number === null));
    figure.classList.toggle("chart-empty", nothing);
    plot.replaceChildren();
    if (nothing) return null;
    return new uPlot(options(figure, known, plot.clientWidth), data(figure, known), plot);
  }

  const figures = [...document.querySelectorAll("figure.chart-card")];
  const drawn = new Map();

  function drawAll() {
    for (const figure of figures) {
      drawn.get(figure)?.destroy();
      drawn.set(figure, draw(figure));
    }
  }

  for (const details of document.querySelectorAll(".chart-table")) details.open = false;
  document.documentElement.classList.add("charts-drawn");
  drawAll();
  dark.addEventListener("change", drawAll);
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = drawn.get(target.closest("figure"));
      if (chart && chart.width !== target.clientWidth) chart.setSize({ width: target.clientWidth, height: HEIGHT });
    }
  });
  for (const figure of figures) resized.observe(figure.querySelector(".chart-plot"));
})();
