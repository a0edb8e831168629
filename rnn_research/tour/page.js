"use strict";
/* A figure is whole without this. Of one that moves, one step is shown at a time: parts
   with data-step are marked past, now or future, and what is known of the step is told. */
document.documentElement.classList.add("script");

function element(parent, kind, text = "", name = "") {
  const node = document.createElement(kind);
  node.textContent = text;
  if (name) node.className = name;
  parent.append(node);
  return node;
}

/* Whole ones from 10 on, below one digit: 1 for the share 0.0098. */
function percent(share) {
  return share < 0.095 ? Number((100 * share).toPrecision(1)) : Math.round(100 * share);
}

function told(place, step) {
  place.replaceChildren();
  if (step.told) element(place, "p", step.told);
  for (const [name, share] of step.bars || []) {
    const row = element(place, "div", "", "share");
    element(row, "span", name);
    element(element(row, "div"), "i").style.width = `${100 * share}%`;
    element(row, "b", `${percent(share)} %`);
  }
}

function moving(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const last = data.steps.length - 1;
  const controls = document.createElement("div");
  controls.className = "moves";
  const label = element(controls, "label", data.label);
  const input = element(controls, "input");
  const output = element(controls, "output");
  input.id = `${figure.id}-step`;
  label.htmlFor = output.htmlFor = input.id;
  Object.assign(input, {type: "range", min: 0, max: last, step: 1});
  const shown = document.createElement("div");
  shown.className = "shown";
  figure.querySelector(".drawing").after(controls, shown);
  const parts = [...figure.querySelectorAll("[data-step]")];

  function show(step) {
    input.value = step;
    output.textContent = data.steps[step].name;
    for (const part of parts) {
      const own = Number(part.dataset.step);
      part.classList.toggle("now", own === step);
      part.classList.toggle("future", own > step);
    }
    told(shown, data.steps[step]);
  }

  function go(step) {
    figure.classList.add("moved");
    show(Math.min(last, Math.max(0, step)));
    const drawing = figure.querySelector(".drawing"), frame = drawing.getBoundingClientRect();
    const now = figure.querySelector("[data-step].now")?.getBoundingClientRect();
    if (now && (now.left < frame.left || now.right > frame.right))
      drawing.scrollLeft += now.left - frame.left - frame.width / 2;
  }

  const move = by => go(Number(input.value) + by);
  input.addEventListener("input", () => move(0));
  if (figure.dataset.moves === "steps")
    for (const part of parts)
      for (const kind of ["pointerenter", "click"])
        part.addEventListener(kind, () => go(Number(part.dataset.step)));
  show(data.start ?? last);
  return {figure, move};
}

const figures = [...document.querySelectorAll("figure[data-moves]")].map(moving);
let chosen = null;
for (const own of figures)
  for (const kind of ["pointerenter", "focusin"])
    own.figure.addEventListener(kind, () => { chosen = own; });

/* The figure of the arrow keys: the last one touched if it is seen, else the one that is
   nearest to the middle of the window. */
function inView() {
  const area = own => own.figure.getBoundingClientRect();
  const seen = figures.filter(own => area(own).bottom > 0 && area(own).top < innerHeight);
  if (seen.includes(chosen)) return chosen;
  const away = own => Math.abs((area(own).top + area(own).bottom - innerHeight) / 2);
  return seen.sort((one, other) => away(one) - away(other))[0];
}

document.addEventListener("keydown", event => {
  const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  const plain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (!by || !plain || event.target.closest("input, audio, [tabindex]")) return;
  const own = inView();
  if (!own) return;
  own.move(by);
  event.preventDefault();
});
