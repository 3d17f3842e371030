// Draws each chart of the overview from the table beneath it; without it the tables remain.
"use strict";

const charts = document.getElementById("charts");
const drawn = new Map();
const HEIGHT = 190;
// The charts are fetched anew no more often than this, in milliseconds.
const RENEWED_EVERY = 5000;
const DAY = 86400;
// One line from the other for whoever sees no colours.
const DASHES = [[], [8, 4], [2, 4]];
// What lies between two lines of the grid: whole numbers.
const STEPS = Array.from({ length: 24 }, (_, n) => [1, 2, 5][n % 3] * 10 ** Math.floor(n / 3));

const written = (options) => new Intl.NumberFormat(document.documentElement.lang, options).format;
const counted = written({ notation: "compact" });
const exact = written({ maximumFractionDigits: 2 });
const took = (ms) => (ms < 1000 ? `${exact(ms)} ms` : `${exact(ms / 1000)} s`);
const clock = (options) => {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, options);
  return (seconds) => format.format(new Date(seconds * 1000));
};
const time = clock({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = clock({ month: "numeric", day: "numeric" });
const moment = clock({ month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// What a table says, the oldest first: the moments, then each column; null where there is no number.
const read = (table) => {
  const rows = [...table.tBodies[0].rows].reverse();
  const number = (cell) => (Number.isNaN(Number(cell.textContent)) ? null : Number(cell.textContent));
  const columns = table.tHead.rows[0].cells.length - 1;
  const values = Array.from({ length: columns }, (_, column) => rows.map((row) => number(row.cells[column + 1])));
  return [rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000), ...values];
};

const options = (figure, table, width) => {
  const style = getComputedStyle(figure);
  const colour = (name) => style.getPropertyValue(name).trim();
  const times = figure.dataset.measure === "ms";
  const value = times ? took : counted;
  const lines = [...table.tHead.rows[0].cells].slice(1).map((head, n) => ({
    label: head.textContent,
    stroke: colour(head.dataset.colour),
    dash: DASHES[n % DASHES.length],
    width: 2,
    // Between steps without a time there is no line to be seen.
    points: { show: times, size: 4 },
    value: (_, number) => (number === null ? "—" : value(number)),
  }));
  const axis = { stroke: colour("--pico-color"), font: `12px ${style.fontFamily}`, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const atMidnight = (seconds) => new Date(seconds * 1000).getHours() === 0 && new Date(seconds * 1000).getMinutes() === 0;
  const moments = (_, splits, __, ___, step) => splits.map((at) => (step >= DAY || atMidnight(at) ? day(at) : time(at)));
  const amounts = (_, splits) => splits.map(value);
  return {
    width,
    height: HEIGHT,
    scales: { y: { range: (_, __, most) => [0, Math.max(most ?? 0, 1) * 1.05] } },
    series: [{ label: table.tHead.rows[0].cells[0].textContent, value: (_, at) => (at === null ? "—" : moment(at)) }, ...lines],
    axes: [{ ...axis, space: 60, size: 34, values: moments }, { ...axis, size: 62, values: amounts, incrs: STEPS }],
    cursor: { drag: { x: false, y: false } },
  };
};

// A legend is a table too: the numbers are in the one below the chart.
const parts = (figure) => [figure.querySelector(".chart"), figure.querySelector("details table")];

const draw = (figure) => {
  const [room, table] = parts(figure);
  drawn.get(figure)?.destroy();
  drawn.delete(figure);
  if (room && table) drawn.set(figure, new uPlot(options(figure, table, figure.clientWidth), read(table), room));
};

// Puts the numbers of a newer figure into one that is shown: what is open stays open, and the line moves on.
const renew = (figure, newer) => {
  const [[room, table], [newRoom, newTable]] = [parts(figure), parts(newer)];
  if (!room || !newRoom) {
    figure.replaceChildren(...newer.childNodes);
    draw(figure);
    return;
  }
  room.setAttribute("aria-label", newRoom.getAttribute("aria-label"));
  table.tBodies[0].replaceWith(newTable.tBodies[0]);
  drawn.get(figure)?.setData(read(table));
};

const fetchAnew = async () => {
  const answer = await fetch(charts.dataset.from).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const newer = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("charts");
  if (!newer) return;
  for (const figure of charts.querySelectorAll("figure")) renew(figure, newer.querySelector(`#${figure.id}`));
  charts.dataset.mark = newer.dataset.mark;
  renewTimes(charts);
};

if (charts) {
  const drawAll = () => charts.querySelectorAll("figure").forEach(draw);
  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  const fit = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = drawn.get(target);
      if (chart && chart.width !== target.clientWidth) chart.setSize({ width: target.clientWidth, height: HEIGHT });
    }
  });
  charts.querySelectorAll("figure").forEach((figure) => fit.observe(figure));
  // The numbers above carry the mark of the series they belong to.
  let waiting = false;
  let last = 0;
  document.addEventListener("htmx:sse:after:message", () => {
    const mark = document.querySelector("[data-series]")?.dataset.series;
    if (waiting || !mark || mark === charts.dataset.mark) return;
    waiting = true;
    setTimeout(async () => {
      await fetchAnew();
      last = Date.now();
      waiting = false;
    }, Math.max(0, last + RENEWED_EVERY - Date.now()));
  });
}
