"use strict";
const body = document.querySelector("#all tbody");
const rows = [...body.rows];
const heads = [...document.querySelectorAll("#all thead th")];
const filter = document.getElementById("filter");
const texts = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));

/* Numbers by their size, the others as texts; what is not known is last. */
function order(column, sign) {
  const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  return (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const [u, v] = [Number(x), Number(y)];
    return sign * (Number.isNaN(u) || Number.isNaN(v) ? x.localeCompare(y) : u - v || 0);
  };
}

heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
  const descending = head.getAttribute("aria-sort") === "ascending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  body.append(...rows.sort(order(column, descending ? -1 : 1)));
}));

function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !words.every(word => texts.get(row).includes(word));
    count += !row.hidden;
  }
  document.getElementById("count").textContent = `${count} of ${rows.length}`;
}
filter.addEventListener("input", show);
show();
