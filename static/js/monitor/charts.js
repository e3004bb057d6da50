import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { count } from "./format.js";

const HEIGHT = 180;
// Seconds; a longer silence is a hole in the line.
const GAP_FACTOR = 4;

const LINES = {
  queue: [
    ["waiting", () => gettext("waiting"), "--chart-1", 0],
    ["running", () => gettext("running"), "--chart-2", 0],
    ["places", () => gettext("places"), "--chart-3", 0],
  ],
  rate: [["tokens_per_s", () => gettext("tokens/s"), "--chart-2", 0]],
  times: [
    ["queue_p50", () => gettext("started, half of them"), "--chart-1", 2],
    ["queue_p95", () => gettext("started, 95%"), "--chart-4", 2],
    ["ttft_p50", () => gettext("first token, half of them"), "--chart-2", 2],
    ["ttft_p95", () => gettext("first token, 95%"), "--chart-3", 2],
  ],
};

/** The lines over time: points in, drawings out. */
export class Charts {
  #root;
  #points = [];
  #charts = new Map();
  #seconds = 0;

  constructor(root) {
    this.#root = root;
    const again = () => this.#redraw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    new ResizeObserver(() => this.#resize()).observe(root.querySelector(".monitor-charts"));
  }

  /** All points of the last `seconds`, oldest first. */
  replace(points, seconds) {
    this.#points = points;
    this.#seconds = seconds;
    this.#redraw();
  }

  /** Newer ones. */
  add(points) {
    const last = this.#points.at(-1)?.at ?? 0;
    const news = points.filter((point) => point.at > last);
    if (news.length === 0) {
      return;
    }
    const since = news.at(-1).at - this.#seconds;
    this.#points = [...this.#points, ...news].filter((point) => point.at >= since);
    for (const [name, chart] of this.#charts) {
      chart.setData(this.#data(name));
      showNewest(chart);
    }
  }

  #redraw() {
    for (const [name, chart] of this.#charts) {
      chart.destroy();
      this.#charts.delete(name);
    }
    for (const name of Object.keys(LINES)) {
      const place = this.#place(name);
      const chart = new uPlot(options(name, place, this.#seconds), this.#data(name), place);
      this.#charts.set(name, chart);
      showNewest(chart);
    }
  }

  #resize() {
    for (const [name, chart] of this.#charts) {
      chart.setSize({ width: this.#place(name).clientWidth, height: HEIGHT });
    }
  }

  #place(name) {
    return this.#root.querySelector(`[data-chart=${name}]`);
  }

  #data(name) {
    const points = withHoles(this.#points);
    return [points.map((point) => point.at), ...LINES[name].map(([key]) => points.map((point) => point[key] ?? null))];
  }
}

/** A point without values where the samples stop for a while: nobody kept house. */
function withHoles(points) {
  const steps = points.slice(1).map((point, index) => point.at - points[index].at);
  const usual = [...steps].sort((one, other) => one - other)[Math.floor(steps.length / 2)] ?? 0;
  return points.flatMap((point, index) => {
    const before = points[index - 1];
    // Points of a long range are further apart than those that came since.
    const step = Math.max(usual, steps[index - 2] ?? 0);
    const isHole = before && point.at - before.at > GAP_FACTOR * step;
    return isHole ? [{ at: before.at + usual }, point] : [point];
  });
}

/** The legend tells of the newest point while no pointer is on another one. */
function showNewest(chart) {
  if (chart.cursor.left < 0) {
    chart.setLegend({ idx: chart.data[0].length - 1 }, false);
  }
}

function options(name, place, seconds) {
  const style = getComputedStyle(place);
  const color = (variable) => style.getPropertyValue(variable).trim();
  const axis = {
    stroke: color("--body-quiet-color"),
    grid: { stroke: color("--hairline-color"), width: 1 },
    ticks: { stroke: color("--hairline-color"), width: 1 },
    font: `12px ${style.fontFamily}`,
  };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    cursor: { y: false, drag: { x: false, y: false } },
    hooks: { setCursor: [showNewest] },
    scales: { x: { range: (_chart, _first, last) => [last - seconds, last] }, y: { range: (_chart, _low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [{ ...axis, values: clock, space: 80 }, { ...axis, size: 50, values: (_chart, ticks) => ticks.map((tick) => count(tick, 1)) }],
    series: [{ label: gettext("time"), value: (_chart, at) => (at ? time(at, true) : "–") }, ...LINES[name].map((line) => series(line, color))],
  };
}

function series([_key, label, variable, digits], color) {
  return {
    label: label(),
    stroke: color(variable),
    width: 2,
    points: { show: true, size: 4, filter: lonely },
    value: (_chart, value) => (value === null || value === undefined ? "–" : count(value, digits)),
  };
}

/** Where no line shows a value: with nothing before it and nothing after. */
function lonely(chart, index) {
  const values = chart.data[index];
  const isNone = (value) => value === null || value === undefined;
  const isLonely = (value, at) => !isNone(value) && isNone(values[at - 1]) && isNone(values[at + 1]);
  return values.flatMap((value, at) => (isLonely(value, at) ? [at] : []));
}

function clock(_chart, ticks) {
  return ticks.map((tick) => time(tick, false));
}

function time(at, withSeconds) {
  const parts = { hour: "2-digit", minute: "2-digit", ...(withSeconds && { second: "2-digit" }) };
  return new Date(at * 1000).toLocaleTimeString(document.documentElement.lang, parts);
}
