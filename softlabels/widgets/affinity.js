// The affinity map: row = hard class, column = where the teacher's probability goes on average.

const CELL = 17, LEFT = 130, TOP = 132, RELATIVES = 5;

// The classes that the glosses of `row` leak to, the most first; the class itself is left out.
export function relativesOf(affinity, row, count = RELATIVES) {
  return affinity[row].map((_, i) => i).filter((i) => i !== row)
    .sort((a, b) => affinity[row][b] - affinity[row][a] || a - b).slice(0, count);
}

// The pair of classes whose smaller leak is the largest: it leaks most in both directions.
export function mostMutual(affinity) {
  let best = [0, 1];
  const both = (i, j) => Math.min(affinity[i][j], affinity[j][i]);
  for (let i = 0; i < affinity.length; i++) {
    for (let j = i + 1; j < affinity.length; j++) if (both(i, j) > both(...best)) best = [i, j];
  }
  return best;
}

// How strong a cell's colour is, 0 to 1: the root of its share of the largest leak, so that small leaks show too.
export function strength(value, largest) {
  return largest > 0 ? Math.sqrt(Math.min(1, value / largest)) : 0;
}

function drawMap(affinity, classes, largest) {
  const n = classes.length, side = n * CELL;
  const node = svg("svg", { class: "sl-map", viewBox: `0 0 ${LEFT + side + 2} ${TOP + side + 2}`,
    width: LEFT + side + 2, height: TOP + side + 2, tabindex: 0, role: "application", "aria-label":
    "Map of the classes. Arrow keys move to another cell; Home and End go to the ends of a row." });
  node.dataset.lmSuppressShortcuts = "true";
  const rowNames = [], columnNames = [];
  classes.forEach((name, i) => {
    rowNames.push(svg("text", { x: LEFT - 6, y: TOP + i * CELL + 13.5, "text-anchor": "end", text: name }));
    const [x, y] = [LEFT + i * CELL + 13.5, TOP - 6];
    columnNames.push(svg("text", { x, y, transform: `rotate(-90 ${x} ${y})`, text: name }));
  });
  node.append(svg("rect", { x: LEFT, y: TOP, width: side, height: side, fill: "var(--sl-raised)" }));
  affinity.forEach((row, i) => row.forEach((value, j) => {
    const place = { x: LEFT + j * CELL, y: TOP + i * CELL };
    if (i === j) { // what a class keeps would drown all the rest: a stroke marks the place, and no colour
      const [x1, y1, x2, y2] = [place.x + 4, place.y + 4, place.x + CELL - 4, place.y + CELL - 4];
      node.append(svg("line", { x1, y1, x2, y2, stroke: "var(--sl-line)", "stroke-width": 1.5 }));
    } else {
      node.append(svg("rect", { ...place, width: CELL - 1, height: CELL - 1, class: "sl-cell",
        "fill-opacity": strength(value, largest).toFixed(3) }));
    }
  }));
  const outline = { width: CELL + 1, height: CELL + 1, fill: "none", "stroke-width": 3 };
  const back = svg("rect", { ...outline, stroke: "var(--sl-quiet)", "stroke-dasharray": "3 2", "stroke-width": 2 });
  const cursor = svg("rect", { ...outline, class: "sl-cursor", stroke: "var(--sl-ink)" });
  node.append(...rowNames, ...columnNames, back, cursor);
  const put = (rect, i, j) => {
    rect.setAttribute("x", LEFT + j * CELL - 1);
    rect.setAttribute("y", TOP + i * CELL - 1);
  };
  return {
    node,
    cellAt(event) {
      const box = node.getBoundingClientRect(), zoom = (LEFT + side + 2) / box.width;
      const j = Math.floor(((event.clientX - box.left) * zoom - LEFT) / CELL);
      const i = Math.floor(((event.clientY - box.top) * zoom - TOP) / CELL);
      return i >= 0 && j >= 0 && i < n && j < n ? [i, j] : null;
    },
    pick(i, j) {
      rowNames.forEach((text, k) => text.classList.toggle("sl-picked", k === i));
      columnNames.forEach((text, k) => text.classList.toggle("sl-picked", k === j));
      put(cursor, i, j);
      put(back, j, i);
      back.style.visibility = i === j ? "hidden" : "visible";
    },
  };
}

function sentence(affinity, classes, i, j) {
  const value = affinity[i][j];
  if (affinity[i].every((p) => p === 0)) return `There is no gloss of ${classes[i]} here.`;
  if (i === j) return `Glosses of ${classes[i]}: the teacher gives ${percent(value)} to ${classes[i]} itself.`;
  return `Glosses of ${classes[i]}: the teacher gives ${percent(value)} to ${classes[j]}. ` +
    `The other way round, glosses of ${classes[j]} give ${percent(affinity[j][i])} to ${classes[i]}.`;
}

function render({ model: shared, el }) {
  const model = handheld(shared);
  const [affinity, classes, colours] = ["affinity", "classes", "colours"].map((key) => model.get(key));
  const n = classes.length, answer = mostMutual(affinity);
  const leaks = affinity.flatMap((row, i) => row.filter((_, j) => j !== i));
  const largest = Math.max(...leaks);

  const root = frame(el, "sl-affinity", "Affinity map");
  const speech = speaker(root);
  const map = drawMap(affinity, classes, largest);
  const heading = element("p", { class: "sl-heading" });
  const bars = barList(Math.min(RELATIVES, n - 1), "sl-relatives");
  const goal = goalCard("Find the pair of classes that leaks most in both directions. " +
    "A pair counts by the smaller of its two percentages.");
  const half = "flex: 1 1 280px; min-width: 0";
  root.prepend(
    lookFor("strong cells off the diagonal. They come in pairs, but not always equally strong."),
    element("div", { class: "sl-columns" },
      element("div", { style: "flex: 0 0 auto; max-width: 100%; overflow-x: auto; padding: 3px" }, map.node),
      element("div", { class: "sl-columns", style: half },
        element("div", { style: half }, speech.print, heading, bars.list),
        element("div", { style: half }, goal.node,
          element("p", { class: "sl-legend", text: `Strongest colour, full bar: ${percent(largest)}. Colour grows ` +
            "with the square root. The diagonal, what a class keeps, has no colour." })))));

  let best = 0;
  function draw() {
    const [i, j] = [model.get("row"), model.get("column")];
    map.pick(i, j);
    heading.textContent = `Nearest relatives of ${classes[i]}:`;
    relativesOf(affinity, i).forEach((k, place) => {
      const row = bars.rows[place];
      row.label.textContent = classes[k];
      row.bar.style.background = colours[k];
      row.bar.style.transform = `scaleX(${largest > 0 ? affinity[i][k] / largest : 0})`;
      row.value.textContent = percent(affinity[i][k]);
    });
    const both = i === j ? 0 : Math.min(affinity[i][j], affinity[j][i]);
    const top = Math.min(affinity[answer[0]][answer[1]], affinity[answer[1]][answer[0]]);
    best = Math.max(best, both);
    const pair = i === j ? "pick a cell off the diagonal" : `${classes[i]} and ${classes[j]}: ${percent(both)}`;
    const reached = i !== j && both === top;
    goal.show(reached, reached ? pair + ". Read a few of their glosses: would you do better?"
      : `${pair}. Best pair so far: ${percent(best)}.`);
    speech.say(sentence(affinity, classes, i, j));
  }

  function move(i, j) {
    model.set({ row: Math.min(n - 1, Math.max(0, i)), column: Math.min(n - 1, Math.max(0, j)) });
  }
  map.node.addEventListener("keydown", (event) => {
    const [i, j] = [model.get("row"), model.get("column")];
    const step = { ArrowUp: [i - 1, j], ArrowDown: [i + 1, j], ArrowLeft: [i, j - 1], ArrowRight: [i, j + 1],
      Home: [i, 0], End: [i, n - 1], PageUp: [0, j], PageDown: [n - 1, j] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...step);
  });
  const pick = (event) => {
    const cell = map.cellAt(event);
    if (cell && (event.type === "pointerdown" || event.buttons === 1)) move(...cell); // a click, or dragging across
  };
  map.node.addEventListener("pointerdown", pick);
  map.node.addEventListener("pointermove", pick);

  model.watch("row", draw);
  model.watch("column", draw);
  draw();
  return () => { model.stop(); speech.stop(); };
}

export default { render };
