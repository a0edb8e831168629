"use strict";
/* Numbers that JSON has not are spelled out. */
const WORDS = {"inf": Infinity, "-inf": -Infinity, "nan": NaN};
const data = JSON.parse(document.getElementById("data").textContent,
  (key, value) => typeof value === "string" && key !== "name" && value in WORDS ? WORDS[value] : value);
const known = y => !Number.isNaN(y) && y !== Infinity;
const color = index => `var(--s${index})`;
const SVG = "http://www.w3.org/2000/svg";

function make(parent, kind, attributes, text) {
  const node = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

/* ---------------------------------------------------------------- scales, ticks */

function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw) || 10 * power;
  const ticks = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9 * step; t += step) ticks.push(t);
  return ticks;
}

function decades(low, high, most) {
  const first = Math.ceil(low - 1e-9), last = Math.floor(high + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks = [];
  for (let t = Math.ceil(first / every) * every; t <= last; t += every) ticks.push(t);
  if (ticks.length < 4)
    for (let t = first - 1; t <= last; t++)
      for (const between of [2, 5])
        if (low <= t + Math.log10(between) && t + Math.log10(between) <= high) ticks.push(t + Math.log10(between));
  return ticks;
}

const SUPERSCRIPT = {"-": "\u207b", 0: "\u2070", 1: "\u00b9", 2: "\u00b2", 3: "\u00b3", 4: "\u2074", 5: "\u2075", 6: "\u2076", 7: "\u2077", 8: "\u2078", 9: "\u2079"};
const powerOfTen = n => n === 0 ? "1" : n === 1 ? "10" : "10" + [...String(n)].map(c => SUPERSCRIPT[c]).join("");
const short = x => x === 0 ? "0" : Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5 ? String(+x.toPrecision(3)) : x.toExponential(1);

/* -------------------------------------------------------------------- the chart */

/* spec: {series: [{name, index, points: [[x, y]], band: [[x, low, high]]}],
          levels: [{y, name}], x: {label, range}, y: {label, range, log}, say}
   With y.log the values are log10 already, -Infinity that of zero, drawn as a triangle
   at the lower edge. NaN breaks a line. */
function chart(id, spec) {
  const holder = document.getElementById(id);
  holder.replaceChildren();
  const width = Math.max(280, holder.clientWidth), height = width < 560 ? 280 : 340;
  const box = {left: 62, right: width - 14, top: 12, bottom: height - 44};
  const [x0, x1] = spec.x.range, [y0, y1] = spec.y.range;
  const sx = x => box.left + (box.right - box.left) * (x - x0) / (x1 - x0 || 1);
  const sy = y => box.bottom - (box.bottom - box.top) * (Math.max(y0, Math.min(y1, y)) - y0) / (y1 - y0 || 1);
  const svg = make(holder, "svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spec.say});

  const yTicks = spec.y.log && y1 - y0 >= 1.5 ? decades(y0, y1, 8) : niceTicks(y0, y1, 6);
  for (const t of yTicks) {
    make(svg, "line", {class: "grid", x1: box.left, x2: box.right, y1: sy(t), y2: sy(t)});
    const text = !spec.y.log ? short(t) : Number.isInteger(t) && (t < -2 || t > 3) ? powerOfTen(t) : short(10 ** t);
    make(svg, "text", {class: "tick", x: box.left - 7, y: sy(t) + 4, "text-anchor": "end"}, text);
  }
  for (const t of niceTicks(x0, x1, width < 560 ? 4 : 7)) {
    make(svg, "text", {class: "tick", x: sx(t), y: box.bottom + 18, "text-anchor": "middle"}, short(t));
    make(svg, "line", {class: "axis", x1: sx(t), x2: sx(t), y1: box.bottom, y2: box.bottom + 4});
  }
  make(svg, "line", {class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom});
  make(svg, "text", {x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle"}, spec.x.label);
  const middle = (box.top + box.bottom) / 2;
  make(svg, "text", {x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})`}, spec.y.label);
  for (const level of spec.levels || []) {
    if (level.y < y0 || level.y > y1) continue;
    make(svg, "line", {class: "level", x1: box.left, x2: box.right, y1: sy(level.y), y2: sy(level.y)});
    make(svg, "text", {class: "tick", x: box.right - 4, y: sy(level.y) - 5, "text-anchor": "end"}, level.name);
  }

  for (const series of spec.series) {
    const stroke = `stroke:${color(series.index)}`;
    const band = (series.band || []).filter(p => known(p[1]) && known(p[2]));
    if (band.length > 1) {
      const path = [...band.map(p => [p[0], p[2]]), ...band.slice().reverse().map(p => [p[0], p[1]])];
      make(svg, "path", {class: "band", style: `fill:${color(series.index)}`,
        d: "M" + path.map(p => `${sx(p[0]).toFixed(1)},${sy(p[1]).toFixed(1)}`).join("L") + "Z"});
    }
    let d = "", pen = "M";
    for (const [x, y] of series.points) {
      if (!known(y)) { pen = "M"; continue; }
      d += `${pen}${sx(x).toFixed(1)},${sy(y).toFixed(1)}`;
      pen = "L";
    }
    if (!d) continue;
    const curve = make(svg, "path", {class: "curve", style: stroke, d});
    curve.style.strokeDasharray = data.runs[series.index].dashes;
    make(curve, "title", {}, series.name);
    const shown = series.points.filter(p => known(p[1]));
    for (const [x, y] of shown)
      if (y === -Infinity)
        make(svg, "path", {style: `fill:${color(series.index)}`, d: `M${sx(x) - 4},${box.bottom - 7}h8l-4,7Z`});
    const [x, y] = shown[shown.length - 1];
    make(svg, "circle", {cx: sx(x), cy: sy(y), r: 3.2, style: `fill:${color(series.index)}`});
  }
  legend(holder, spec.series);

  const rule = make(svg, "line", {class: "rule", y1: box.top, y2: box.bottom});
  const readout = document.getElementById(id + "-readout");
  readout.textContent = "";
  svg.addEventListener("pointermove", event => {
    const area = svg.getBoundingClientRect();
    const at = x0 + (x1 - x0) * ((event.clientX - area.left) * width / area.width - box.left) / (box.right - box.left);
    if (at < x0 || at > x1) return;
    rule.setAttribute("x1", sx(at));
    rule.setAttribute("x2", sx(at));
    rule.style.visibility = "visible";
    const parts = spec.series.map(series => {
      const shown = series.points.filter(p => known(p[1]));
      if (!shown.length) return "";
      const near = shown.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a);
      return `${series.name} ${short(spec.y.log ? 10 ** near[1] : near[1])}`;
    });
    readout.textContent = `${spec.x.short} ${Math.round(at)}: ` + parts.filter(Boolean).join("   ");
  });
  svg.addEventListener("pointerleave", () => {
    rule.style.visibility = "hidden";
    readout.textContent = "";
  });
}

function legend(holder, series) {
  const list = document.createElement("div");
  list.className = "legend";
  for (const one of series) {
    const item = document.createElement("span");
    const sample = make(item, "svg", {viewBox: "0 0 30 4", width: 30, height: 4, "aria-hidden": "true"});
    const line = make(sample, "line", {x1: 0, x2: 30, y1: 2, y2: 2, style: `stroke:${color(one.index)};stroke-width:3`});
    line.style.strokeDasharray = data.runs[one.index].dashes;
    item.append(" ", one.name);
    list.append(item);
  }
  holder.append(list);
}

/* ------------------------------------------------------------------ the figures */

const log10 = y => y > 0 ? Math.log10(y) : NaN;
const most = (numbers, start) => numbers.reduce((a, b) => Math.max(a, b), start);
const least = (numbers, start) => numbers.reduce((a, b) => Math.min(a, b), start);

function drawLoss() {
  const series = data.runs.map((run, index) => ({
    name: run.name, index,
    points: run.steps.map((step, i) => [step, log10(run.loss[i][0])]),
    band: run.steps.map((step, i) => [step, log10(run.loss[i][1]), log10(run.loss[i][2])]),
  }));
  const baselines = [...new Set(data.runs.map(run => run.baseline))].filter(y => y !== null);
  const levels = baselines.map(y => ({y: Math.log10(y), name: `no memory ${short(y)}`}));
  const all = series.flatMap(s => [...s.points.map(p => p[1]), ...s.band.flatMap(p => [p[1], p[2]])])
    .filter(Number.isFinite).concat(levels.map(level => level.y));
  if (!all.length) all.push(0);
  const low = least(all, all[0]), high = most(all, all[0]), room = 0.05 * (high - low) + 0.02;
  const last = most(data.runs.flatMap(run => run.steps), 1);
  chart("loss", {series, levels, x: {label: "updates", short: "update", range: [0, last]},
    y: {label: "validation loss", range: [low - room, high + room], log: true},
    say: "Validation loss against updates of " + data.runs.map(run => run.name).join(", ")});
}

const watched = data.runs.map((run, index) => ({...run, index})).filter(run => run.moments.length);
const moments = [...new Set(watched.flatMap(run => run.moments.map(m => m.step)))].sort((a, b) => a - b);
const slider = document.getElementById("moment");

function drawGradient() {
  const step = moments[+slider.value];
  const series = watched.filter(run => run.moments[0].step <= step).map(run => {
    const there = run.moments.filter(m => m.step <= step);
    const now = there[there.length - 1];
    return {name: run.name, index: run.index,
      points: now.lags.map((lag, i) => [lag, now.log10[i]])};
  });
  const all = watched.flatMap(run => run.moments.flatMap(m => m.log10)).filter(Number.isFinite);
  const high = most(all, 0), low = Math.max(least(all, data.forgotten.log10 - 1), high - 24);
  const longest = most(watched.flatMap(run => run.moments.flatMap(m => m.lags)), 1);
  chart("gradient", {series, levels: [{y: data.forgotten.log10, name: `${data.forgotten.name} left`}],
    x: {label: "lag k (steps before the end)", short: "lag", range: [0, longest]},
    y: {label: "length of the gradient, relative", range: [low - 0.3, high + 0.3], log: true},
    say: `Gradient by lag at update ${step}`});
  document.getElementById("moment-text").textContent = String(step);
  slider.setAttribute("aria-valuetext", `update ${step}`);
}

function drawHorizon() {
  const series = watched.map(run => ({name: run.name, index: run.index,
    points: run.moments.map(m => [m.step, m.horizon])}));
  const top = Math.max(...watched.map(run => run.length));
  const last = Math.max(...moments, 1);
  const lengths = [...new Set(watched.map(run => run.length))];
  chart("horizon", {series, levels: lengths.map(y => ({y, name: `T = ${y}`})),
    x: {label: "updates", short: "update", range: [0, last]},
    y: {label: "memory horizon (steps)", range: [0, 1.08 * top]},
    say: "Memory horizon against updates"});
}

function draw() {
  drawLoss();
  if (watched.length) { drawGradient(); drawHorizon(); }
}

if (watched.length) {
  slider.max = moments.length - 1;
  slider.value = moments.length - 1;
  slider.addEventListener("input", drawGradient);
} else {
  document.getElementById("gradient-figure").hidden = true;
  document.getElementById("horizon-figure").hidden = true;
}
draw();
let drawnAt = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === drawnAt) return;
  drawnAt = innerWidth;
  draw();
});
