// The temperature explorer: one gloss, its soft label, and a slider for T.

const LOWEST = 0.25, HIGHEST = 20, PER_OCTAVE = 48, MOST_ROWS = 30, CLOSE_BITS = 0.05;

// The slider's stops: equal steps on a logarithmic scale, so that 1, 2, 4 and 8 are among them, and the highest.
export function temperatureStops() {
  const stops = [];
  for (let i = 0; ; i++) {
    const t = LOWEST * 2 ** (i / PER_OCTAVE);
    if (t >= HIGHEST) return [...stops, HIGHEST];
    stops.push(t);
  }
}

// Everything the widget shows about one label; `compute` in temperature.py says the same through softlabels.distill.
export function compute(logits, temperature) {
  const probabilities = soften(logits, temperature);
  const entropy = entropyBits(probabilities);
  const top = logits.indexOf(Math.max(...logits));
  return {
    probabilities, entropy_bits: entropy, top_class: top, top_probability: probabilities[top],
    effective_classes: 2 ** entropy,
  };
}

// The classes from the largest logit to the smallest. It depends on no temperature: that is the point.
export function orderOf(logits) {
  return logits.map((_, i) => i).sort((a, b) => logits[b] - logits[a] || a - b);
}

function entropyCurve(stops, width, height, most) {
  const x = (t) => 8 + (width - 16) * (Math.log(t / LOWEST) / Math.log(HIGHEST / LOWEST));
  const y = (bits) => height - 3 - (height - 6) * (bits / most);
  const line = svg("path", { fill: "none", stroke: "var(--sl-accent)", "stroke-width": 2 });
  const dot = svg("circle", { r: 6, fill: "var(--sl-accent)", stroke: "var(--sl-paper)", "stroke-width": 2 });
  const target = svg("line", { x1: 8, x2: width - 8, stroke: "var(--sl-ink)", "stroke-dasharray": "5 4" });
  const words = svg("text", { x: width - 8, "text-anchor": "end" });
  const axis = svg("path", { d: `M8 0V${height}H${width - 8}`, fill: "none", stroke: "var(--sl-line)" });
  const node = svg("svg", { class: "sl-curve", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "Entropy of this label against the temperature" }, axis, target, words, line, dot);
  return {
    node,
    trace: (bits) => line.setAttribute("d", "M" + bits.map((b, i) => `${x(stops[i])} ${y(b)}`).join("L")),
    aim: (bits) => {
      target.setAttribute("y1", y(bits)); target.setAttribute("y2", y(bits));
      words.setAttribute("y", y(bits) > height - 20 ? y(bits) - 5 : y(bits) + 16);
      words.textContent = bits + " bits";
    },
    point: (t, bits) => { dot.setAttribute("cx", x(t)); dot.setAttribute("cy", y(bits)); },
  };
}

function sentence({ probabilities, effective_classes, entropy_bits }, order, classes, temperature) {
  const [first, second] = order;
  const lead = `At T = ${temperature.toFixed(2)}, ${classes[first]} leads with ${percent(probabilities[first])}, ` +
    `then ${classes[second]} with ${percent(probabilities[second])}. `;
  if (entropy_bits < 0.1) return lead + "This is nearly a hard label: it says one name and little else.";
  if (effective_classes > 0.95 * classes.length) {
    return lead + "This is nearly uniform: the order is still there, but hardly any preference.";
  }
  return lead + `The label spreads over about ${effective_classes.toFixed(1)} of ${classes.length} classes.`;
}

function render({ model: shared, el }) {
  const model = handheld(shared);
  const [classes, colours, texts] = ["classes", "colours", "texts"].map((key) => model.get(key));
  const n = classes.length, most = Math.log2(n), stops = temperatureStops();
  const kept = n > MOST_ROWS ? MOST_ROWS - 1 : n; // past that, one more row holds all the others together

  const root = frame(el, "sl-temperature", "Temperature explorer");
  const speech = speaker(root);
  const select = element("select", { class: "sl-gloss", "aria-label": "Gloss" });
  texts.forEach((text, i) => select.append(element("option", { value: i, text })));
  const whole = element("p", { class: "sl-whole" });
  const bars = barList(n > kept ? kept + 1 : n, "sl-label");
  for (const row of bars.rows) {
    row.track.append(element("span", { class: "sl-even", style: `left: ${100 / n}%` }));
    row.track.append((row.mark = element("span", { class: "sl-mark" })));
  }
  const knob = slider({
    label: "Temperature T", name: "sl-t", values: stops, page: PER_OCTAVE, format: (t) => "T = " + t.toFixed(2),
    ticks: [0.25, 0.5, 1, 2, 4, 8, 20], move: (t) => model.set({ temperature: t }),
  });
  const curve = entropyCurve(stops, 300, 84, most);
  const number = (name, words) => {
    const value = element("b", { class: name });
    return { value, node: element("div", {}, value, words) };
  };
  const entropy = number("sl-entropy", `entropy, of ${most.toFixed(2)}`);
  const top = number("sl-top", "top-1 probability");
  const effective = number("sl-effective", `effective classes, of ${n}`);
  const goal = goalCard("");
  root.prepend(
    element("div", { class: "sl-field" }, element("span", { text: "Gloss" }), select), whole,
    lookFor("the bars even out as T grows, but the order never changes."),
    element("div", { class: "sl-columns" },
      element("div", { style: "flex: 1 1 340px; min-width: 0" }, bars.list,
        element("p", { class: "sl-legend", text: `Solid mark: the label at T = 1. Dashed: 1/${n}.` })),
      element("div", { style: "flex: 0 1 300px; min-width: 0" }, knob.node, curve.node,
        element("div", { class: "sl-numbers" }, entropy.node, top.node, effective.node),
        speech.print, goal.node)));

  let logits, order, reachable;
  const shown = (probs) => {
    const values = order.slice(0, kept).map((i) => probs[i]);
    return n > kept ? [...values, order.slice(kept).reduce((sum, i) => sum + probs[i], 0)] : values;
  };

  function arrange() { // a new gloss or goal: what does not depend on the temperature
    const gloss = model.get("gloss"), bits = model.get("target_bits");
    logits = model.get("logits")[gloss];
    order = orderOf(logits);
    select.value = gloss;
    whole.textContent = texts[gloss].length > 85 ? "“" + texts[gloss] + "”" : "";
    const plain = shown(soften(logits, 1));
    bars.rows.forEach((row, place) => {
      const others = n > kept && place === kept;
      row.label.textContent = others ? `${n - kept} others` : classes[order[place]];
      row.label.title = row.label.textContent;
      row.bar.style.background = others ? "var(--sl-quiet)" : colours[order[place]];
      row.mark.style.left = 100 * plain[place] + "%";
    });
    const path = stops.map((t) => entropyBits(soften(logits, t)));
    reachable = path.some((h) => Math.abs(h - bits) < CLOSE_BITS);
    curve.trace(path);
    curve.aim(bits);
    goal.task.textContent = `Make this label carry ${bits} bits.`;
    draw();
  }

  function draw() {
    const t = model.get("temperature"), bits = model.get("target_bits"), seen = compute(logits, t);
    shown(seen.probabilities).forEach((p, place) => {
      bars.rows[place].bar.style.transform = `scaleX(${p})`;
      bars.rows[place].value.textContent = percent(p);
    });
    knob.show(t);
    curve.point(Math.min(HIGHEST, Math.max(LOWEST, t)), seen.entropy_bits);
    entropy.value.textContent = seen.entropy_bits.toFixed(2) + " bits";
    top.value.textContent = percent(seen.top_probability);
    effective.value.textContent = seen.effective_classes.toFixed(1);
    const reached = Math.abs(seen.entropy_bits - bits) < CLOSE_BITS;
    const carried = seen.entropy_bits.toFixed(2) + " bits";
    goal.show(reached, reached ? `${carried} at T = ${t.toFixed(2)}. Does another gloss need the same T?`
      : !reachable ? `no T on this slider gives this label ${bits} bits. Choose another gloss.`
      : `${carried}, ${seen.entropy_bits < bits ? "too few" : "too many"}.`);
    speech.say(sentence(seen, order, classes, t));
  }

  select.addEventListener("change", () => model.set({ gloss: Number(select.value) }));
  model.watch("temperature", draw);
  model.watch("gloss", arrange);
  model.watch("target_bits", arrange);
  arrange();
  return () => { model.stop(); speech.stop(); };
}

export default { render };
