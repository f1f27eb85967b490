// The heat map: measured runs over temperature (across) x soft weight (down), one panel for each number of texts.

const WIDE = 58, HIGH = 42, LEFT = 74, TOP = 70, GAP = 16;

export function mean(values) {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

// Whether a difference is larger than the noise floor, given in standard errors.
export function beyond(difference, floor, error) {
  return difference !== null && error !== null && Math.abs(difference) > floor * error;
}

// Where a cell stands: [panel, row, column]. The last row of a panel is the control, one cell as wide as all.
export function placeOf(index, weights, temperatures) {
  const size = weights * temperatures + 1, inside = index % size;
  return [Math.floor(index / size), Math.floor(inside / temperatures), inside % temperatures];
}

export function indexOf(panel, row, column, weights, temperatures) {
  return panel * (weights * temperatures + 1) + (row === weights ? row * temperatures : row * temperatures + column);
}

// The noise floor from which on the setting of cell `index` cannot be told from the best cell of any panel; null where a
// cell of it has not been run.
export function reach(cells, best, errors, index) {
  const size = cells.length / best.length;
  const needed = best.map((champion, panel) => {
    const cell = cells[panel * size + (index % size)];
    if (champion === null || !errors[panel] || cell.validation.length === 0) return null;
    return Math.max(0, (mean(cells[champion].validation) - mean(cell.validation)) / errors[panel]);
  });
  return needed.includes(null) ? null : Math.max(...needed);
}

export function settingName(cell) {
  return cell.soft_weight > 0 ? `T = ${cell.temperature}, soft weight ${cell.soft_weight}` : "hard labels";
}

const number = (count) => count.toLocaleString("en-GB");
const points = (share) => (Math.round(1000 * share) < 0 ? "−" : "+") + Math.abs(100 * share).toFixed(1);
const range = (values) => `${(100 * Math.min(...values)).toFixed(1)} to ${percent(Math.max(...values))}`;

export function sentence(cell, floor, error) {
  const where = `${number(cell.labels)} texts, ${settingName(cell)}`;
  if (cell.seeds.length === 0) return `${where}: not run yet.`;
  const seeds = cell.seeds.length === 1 ? "one seed" : `${cell.seeds.length} seeds, ${range(cell.validation)}`;
  let words = `${where}: ${percent(mean(cell.validation))} on validation (${seeds}).`;
  if (cell.soft_weight > 0 && cell.gain !== null) {
    const told = error === null ? "one seed has no noise floor"
      : beyond(cell.gain, floor, error) ? "more than the noise floor" : "within the noise floor";
    words += ` Against hard labels ${points(cell.gain)} points, ${told}.`;
  }
  words += ` On test ${percent(mean(cell.test))}`;
  if (cell.word !== null) {
    words += `, ${points(cell.difference)} points against hard labels (interval ${points(cell.low)} to ` +
      `${points(cell.high)}): ${cell.word}`;
  }
  return words + ".";
}

function drawMap(state, largest) {
  const { cells, labels, temperatures, soft_weights: weights } = state;
  const [columns, rows] = [temperatures.length, weights.length];
  const panel = columns * WIDE, width = LEFT + labels.length * (panel + GAP), height = TOP + (rows + 1) * HIGH + 6;
  const node = svg("svg", { class: "sl-map sl-grid", viewBox: `0 0 ${width} ${height}`, width, height, tabindex: 0,
    role: "application", "aria-label": "Map of the settings. Arrow keys move to another cell; Home and End go to the " +
    "ends of a row." });
  node.dataset.lmSuppressShortcuts = "true";
  const hatch = svg("pattern", { id: `sl-hatch-${Math.random().toString(36).slice(2)}`, width: 7, height: 7,
    patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("line", { x1: 0, y1: 0, x2: 0, y2: 7, stroke: "var(--sl-quiet)", "stroke-width": 1.6, opacity: 0.6 }));
  node.append(svg("defs", {}, hatch));
  const floors = labels.map((count, p) => {
    const x = LEFT + p * (panel + GAP);
    node.append(svg("text", { x, y: 17, class: "sl-picked", text: `${number(count)} texts` }));
    temperatures.forEach((t, c) => node.append(svg("text", { x: x + (c + 0.5) * WIDE, y: TOP - 7,
      "text-anchor": "middle", text: `${c === 0 ? "T = " : ""}${t}` })));
    const floor = svg("text", { x, y: 39 });
    node.append(floor);
    return floor;
  });
  [...weights].reverse().concat(0).forEach((w, r) => node.append(svg("text", { x: LEFT - 8, y: TOP + r * HIGH + 26,
    "text-anchor": "end", text: w > 0 ? `soft ${w}` : "hard" })));
  const drawn = cells.map((cell, index) => {
    const [p, r, c] = placeOf(index, rows, columns), control = r === rows;
    const [x, y] = [LEFT + p * (panel + GAP) + c * WIDE, TOP + r * HIGH];
    const box = { x: x + 1, y: y + 1, width: (control ? panel : WIDE) - 2, height: HIGH - 2 };
    const strength = control || cell.gain === null ? 0 : 0.6 * Math.sqrt(Math.abs(cell.gain) / largest);
    node.append(svg("rect", { ...box, fill: "var(--sl-raised)", stroke: "var(--sl-line)",
      "stroke-dasharray": cell.seeds.length ? "none" : "3 3" }));
    node.append(svg("rect", { ...box, fill: cell.gain < 0 ? "var(--sl-second)" : "var(--sl-accent)",
      "fill-opacity": strength.toFixed(3) }));
    const lines = svg("rect", { ...box, fill: `url(#${hatch.id})` });
    const middle = { x: x + (control ? panel : WIDE) / 2, "text-anchor": "middle" };
    const text = svg("text", { ...middle, y: y + 18, class: "sl-number" });
    const mark = svg("text", { ...middle, y: y + 36 });
    text.textContent = cell.seeds.length === 0 ? "–" : control ? percent(mean(cell.validation))
      : cell.gain === null ? "?" : points(cell.gain);
    node.append(lines, text, mark);
    return { lines, text, mark, box };
  });
  const cursor = svg("rect", { height: HIGH + 1, fill: "none", class: "sl-cursor", stroke: "var(--sl-ink)",
    "stroke-width": 3 });
  node.append(cursor);
  return { node, drawn, floors, cursor, width };
}

const STRIP = { left: 222, width: 420, row: 24, right: 64 };

function drawStrip() {
  const height = 4 * STRIP.row + 4, width = STRIP.left + STRIP.width + STRIP.right;
  const node = svg("svg", { class: "sl-strip", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  return { node, show(rows, low, high, live) {
    node.replaceChildren();
    const x = (v) => STRIP.left + 8 + (STRIP.width - 16) * (v - low) / Math.max(1e-9, high - low);
    rows.forEach(({ name, values, test, extra }, r) => {
      const y = STRIP.row * (r + 0.5) + 2;
      node.append(svg("text", { x: STRIP.left - 8, y: y + 5, "text-anchor": "end", text: name }),
        svg("line", { x1: STRIP.left, x2: STRIP.left + STRIP.width, y1: y, y2: y, stroke: "var(--sl-line)" }));
      values.forEach((v) => node.append(svg("circle", { cx: x(v), cy: y, r: 5.5, "stroke-width": 2,
        stroke: "var(--sl-accent)", fill: test ? "var(--sl-accent)" : "var(--sl-paper)", "fill-opacity": 0.75 })));
      (extra || []).forEach((v) => node.append(svg("rect", { x: -6, y: -6, width: 12, height: 12, class: "sl-live",
        transform: `translate(${x(v)} ${y}) rotate(45)`, fill: test ? "var(--sl-second)" : "var(--sl-paper)",
        stroke: "var(--sl-second)", "stroke-width": 2.5 })));
      if (values.length) {
        const m = mean(values);
        node.append(svg("line", { x1: x(m), x2: x(m), y1: y - 10, y2: y + 10, stroke: "var(--sl-ink)",
          "stroke-width": 2 }));
        node.append(svg("text", { x: STRIP.left + STRIP.width + 6, y: y + 5, text: percent(m) }));
      }
    });
  } };
}

function render({ model: shared, el }) {
  const model = handheld(shared);
  const keys = ["cells", "labels", "temperatures", "soft_weights", "errors", "best", "highest", "can_run", "updates"];
  const state = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
  const { cells, labels, errors, best } = state;
  const [rows, columns] = [state.soft_weights.length, state.temperatures.length];
  const size = cells.length / labels.length;
  const largest = Math.max(1e-9, ...cells.map((cell) => Math.abs(cell.gain || 0)));

  const root = frame(el, "sl-heat", "Heat map of measured runs");
  const speech = speaker(root);
  const map = drawMap(state, largest);
  const strip = drawStrip();
  const stops = Array.from({ length: Math.round(10 * state.highest) + 1 }, (_, i) => i / 10);
  const floor = slider({ label: "Noise floor, in standard errors of a difference", name: "sl-floor", values: stops,
    page: 10, format: (v) => v.toFixed(1), ticks: [0, 1, 2, 3, 4, 5, state.highest],
    move: (value) => model.set({ floor: value }) });
  const goal = goalCard("Choose one setting for every number of texts: the one that needs the lowest noise floor to be " +
    "marked ★ or ≈ in all the panels.");
  const button = element("button", { class: "sl-run", type: "button" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Progress of the run" });
  const told = element("p", { class: "sl-told", role: "status", "aria-live": "polite" });
  const canRun = state.can_run && typeof shared.send === "function"; // a page without a kernel has nobody to send to
  const runner = element("div", { class: "sl-field" }, button, bar);

  root.prepend(
    lookFor("cells that stay unhatched when the floor rises, and how many rivals (≈) the best cell has."),
    floor.node,
    element("div", { style: "overflow-x: auto; padding: 3px" }, map.node),
    element("p", { class: "sl-legend", text: "Points gained on validation over hard labels of the same texts, mean " +
      "over seeds; blue more, orange less. Hatched: not told from hard labels. ★ the best on validation; ≈ not told " +
      "from the best; a dashed edge: not run yet." }),
    speech.print,
    element("div", { style: "overflow-x: auto" }, strip.node),
    element("p", { class: "sl-legend", text: "One dot a seed (hollow: validation, filled: test), a line for their " +
      "mean, a diamond for your own run." }),
    ...(canRun ? [runner, told] : []),
    goal.node);

  const livesOf = (index, key) => model.get("live").filter((run) => run.cell === index).map((run) => run[key]);
  const nextSeed = (index) => Math.max(-1, ...cells[index].seeds, ...cells[index - index % size + size - 1].seeds,
    ...livesOf(index, "seed")) + 1;
  const needed = cells.slice(0, size).map((_, i) => reach(cells, best, errors, i));
  let column = 0, lowest = Infinity;

  function draw() {
    const picked = model.get("picked"), height = model.get("floor"), cell = cells[picked];
    const [p, r, c] = placeOf(picked, rows, columns);
    if (r < rows) column = c;
    floor.show(height);
    map.floors.forEach((text, panel) => { text.textContent = errors[panel] === null ? "no noise floor yet"
      : `floor: ${(100 * height * errors[panel]).toFixed(2)} points`; });
    cells.forEach((each, index) => {
      const panel = Math.floor(index / size), { lines, text, mark } = map.drawn[index];
      const faint = each.soft_weight > 0 && each.seeds.length > 0 && !beyond(each.gain, height, errors[panel]);
      lines.style.visibility = faint ? "visible" : "hidden";
      text.classList.toggle("sl-faint", faint);
      const behind = each.validation.length && best[panel] !== null
        ? mean(cells[best[panel]].validation) - mean(each.validation) : null;
      const rival = behind !== null && errors[panel] !== null && !beyond(behind, height, errors[panel]);
      mark.textContent = index === best[panel] ? "★" : rival ? "≈" : "";
    });
    const { box } = map.drawn[picked];
    map.cursor.setAttribute("x", box.x - 1);
    map.cursor.setAttribute("y", box.y - 1);
    map.cursor.setAttribute("width", box.width + 2);
    speech.say(sentence(cell, height, errors[p]));

    const hard = cells[(p + 1) * size - 1], panel = cells.slice(p * size, (p + 1) * size);
    const all = panel.flatMap((each) => [...each.validation, ...each.test])
      .concat(model.get("live").filter((run) => Math.floor(run.cell / size) === p).flatMap((v) => [v.validation, v.test]));
    const name = cell.soft_weight > 0 ? `T = ${cell.temperature}, soft ${cell.soft_weight}` : "hard labels";
    const line = (title, each, index, key) => ({ name: `${title}, ${key}`, values: each[key], test: key === "test",
      extra: livesOf(index, key) });
    const lines = [line(name, cell, picked, "validation"), line(name, cell, picked, "test")];
    if (r < rows) {
      const control = (p + 1) * size - 1;
      lines.push(line("hard labels", hard, control, "validation"), line("hard labels", hard, control, "test"));
    }
    strip.show(lines, Math.min(1, ...all), Math.max(0, ...all));

    const needs = needed[picked % size], name_ = settingName(cell);
    if (needs !== null) lowest = Math.min(lowest, needs);
    if (needs === null) goal.show(false, `${name_}: not every cell of it has been run.`);
    else if (needs === Math.min(...needed.filter((n) => n !== null))) {
      const would = needed.filter((n) => n !== null && n <= height).length;
      goal.show(true, `${name_}, from a floor of ${needs.toFixed(2)} on. At the floor above, ${would} of the ${size} ` +
        "settings would do.");
    } else goal.show(false, `${name_}: from a floor of ${needs.toFixed(2)} on. The lowest so far: ${lowest.toFixed(2)}.`);
    drawRun();
  }

  function drawRun() {
    const picked = model.get("picked"), running = model.get("progress") >= 0 || model.get("asked").length > 0;
    const seed = nextSeed(picked), runs = model.get("live").filter((run) => run.cell === picked);
    button.textContent = running ? "Running …" : `Run this cell live: seed ${seed}, ${number(state.updates)} updates`;
    button.disabled = running;
    bar.style.visibility = running ? "visible" : "hidden";
    bar.value = Math.max(0, model.get("progress"));
    const last = runs[runs.length - 1], cell = cells[picked];
    told.textContent = model.get("trouble") || (last === undefined ? "" : `Your run with seed ${last.seed}: ` +
      `${percent(last.validation)} on validation, ${percent(last.test)} on test` +
      (cell.test.length ? `; the measured seeds reach ${range(cell.test)} on test.` : "."));
  }

  function move(p, r, c) {
    const clamp = (v, most) => Math.min(most, Math.max(0, v));
    model.set({ picked: indexOf(clamp(p, labels.length - 1), clamp(r, rows), clamp(c, columns - 1), rows, columns) });
  }
  map.node.addEventListener("keydown", (event) => {
    const [p, r] = placeOf(model.get("picked"), rows, columns), c = column;
    const left = r === rows ? [p - 1, r, c] : c > 0 ? [p, r, c - 1] : p > 0 ? [p - 1, r, columns - 1] : [p, r, c];
    const right = r === rows ? [p + 1, r, c] : c < columns - 1 ? [p, r, c + 1]
      : p < labels.length - 1 ? [p + 1, r, 0] : [p, r, c];
    const step = { ArrowUp: [p, r - 1, c], ArrowDown: [p, r + 1, c], ArrowLeft: left, ArrowRight: right,
      Home: [p, r, 0], End: [p, r, columns - 1], PageUp: [p - 1, r, c], PageDown: [p + 1, r, c] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (step[1] < rows) column = Math.min(columns - 1, Math.max(0, step[2]));
    move(...step);
  });
  map.node.addEventListener("pointerdown", (event) => {
    const bounds = map.node.getBoundingClientRect(), zoom = map.width / bounds.width;
    const [x, y] = [(event.clientX - bounds.left) * zoom, (event.clientY - bounds.top) * zoom];
    const hit = map.drawn.findIndex(({ box }) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y +
      box.height);
    if (hit >= 0) model.set({ picked: hit });
  });
  button.addEventListener("click", () => {
    const picked = model.get("picked");
    model.set({ asked: [picked, nextSeed(picked)] });
  });

  ["picked", "floor", "live"].forEach((key) => model.watch(key, draw));
  ["progress", "asked", "trouble"].forEach((key) => model.watch(key, drawRun));
  draw();
  return () => { model.stop(); speech.stop(); };
}

export default { render };
