// What all the widgets share: the arithmetic of soft labels, and furniture (sliders, bars, goals).
// Python puts this text in front of each widget's own file, so that every widget is one module that imports nothing.

// ---- arithmetic: the same as softlabels.distill, compared with it in the tests ----

// softmax(logits / temperature); the largest is subtracted first, so that nothing overflows.
export function soften(logits, temperature) {
  let largest = -Infinity;
  for (const z of logits) if (z > largest) largest = z;
  let sum = 0;
  const probs = logits.map((z) => Math.exp((z - largest) / temperature));
  for (const p of probs) sum += p;
  return probs.map((p) => p / sum);
}

// Entropy in bits, with 0 · log 0 = 0.
export function entropyBits(probs) {
  let bits = 0;
  for (const p of probs) if (p > 0) bits -= p * Math.log2(p);
  return bits;
}

// ---- words ----

export function percent(p) {
  if (p > 0 && p < 0.0005) return "< 0.1 %";
  if (p < 1 && p >= 0.9995) return "> 99.9 %";
  return (100 * p).toFixed(1) + " %";
}

export function threeDigits(x) {
  if (x === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(x)));
  if (magnitude < -4) return x.toExponential(1).replace("e-", " · 10^−");
  return x.toFixed(Math.max(0, 2 - magnitude));
}

// A number and its per cent sign stay on one line.
function unbroken(text) {
  return text.replaceAll(" %", "\u00a0%");
}

// ---- furniture ----

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

// The root of a widget. JupyterLab has shortcuts on the arrow keys and on single letters and would take them from a
// slider or a list in an output, so keys stay inside; Escape, Shift+Enter and anything with Ctrl, Alt or Meta still
// reach the notebook.
function frame(el, name, label) {
  const root = element("section", { class: "sl " + name, "aria-label": label });
  root.addEventListener("keydown", (event) => {
    const forNotebook = event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape" || event.key === "Tab";
    if (!forNotebook && !(event.key === "Enter" && event.shiftKey)) event.stopPropagation();
  });
  el.append(root);
  return root;
}

// Says what is seen, in print at once, and to a screen reader when the hand has rested for a moment.
function speaker(root) {
  const print = element("p", { class: "sl-now" });
  const region = element("div", { class: "sl-hidden", role: "status", "aria-live": "polite" });
  root.append(region);
  let timer;
  const say = (words) => {
    const text = unbroken(words);
    print.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { region.textContent = text; }, 700);
  };
  return { print, say, stop: () => clearTimeout(timer) };
}

// The model as the hand sees it: a change shows on this page at once, and goes to the kernel when the hand has rested.
// Every message makes JupyterLab redraw parts of its own page, which would slow the hand down; and a kernel's late
// answer to an earlier step must not pull the slider back, so what has not been sent yet comes first.
function handheld(model) {
  const unsent = new Map(), listeners = [];
  let timer;
  const send = () => {
    clearTimeout(timer);
    if (unsent.size === 0) return;
    unsent.forEach((value, key) => model.set(key, value));
    unsent.clear();
    model.save_changes();
  };
  return {
    get: (key) => (unsent.has(key) ? unsent.get(key) : model.get(key)),
    set(changes) {
      Object.entries(changes).forEach(([key, value]) => unsent.set(key, value));
      const concerned = listeners.filter(([key]) => key in changes).map(([, listener]) => listener);
      new Set(concerned).forEach((listener) => listener());
      clearTimeout(timer);
      timer = setTimeout(send, 200);
    },
    watch(key, listener) {
      listeners.push([key, listener]);
      model.on("change:" + key, listener);
    },
    stop() {
      send();
      listeners.forEach(([key, listener]) => model.off("change:" + key, listener));
    },
  };
}

// A slider over a list of rising values. Arrow keys move by one value, Page Up and Down by `page`, Home and End to the
// ends.
function slider({ label, name, values, page, format, ticks = [], move }) {
  const last = values.length - 1;
  const input = element("input", { type: "range", class: name, min: 0, max: last, step: 1, "aria-label": label });
  input.dataset.lmSuppressShortcuts = "true";
  const output = element("output", {});
  const marks = element("div", { class: "sl-ticks", "aria-hidden": "true" });
  for (const value of ticks) {
    const place = nearest(values, value) / last; // a browser's thumb is 16 px wide and stays inside the track
    marks.append(element("span", { style: `left: calc(8px + ${place} * (100% - 16px))`, text: String(value) }));
  }
  const heading = element("label", {}, element("span", { text: label }), output);
  const node = element("div", { class: "sl-slider" }, heading, input);
  if (ticks.length) node.append(marks);
  const moved = () => move(values[Number(input.value)]);
  input.addEventListener("input", moved);
  input.addEventListener("keydown", (event) => {
    const step = { PageUp: page, PageDown: -page }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    input.value = Math.min(last, Math.max(0, Number(input.value) + step));
    moved();
  });
  const show = (value) => {
    const place = String(nearest(values, value));
    if (input.value !== place) input.value = place;
    output.textContent = format(value);
    input.setAttribute("aria-valuetext", format(value));
  };
  return { node, input, show };
}

export function nearest(values, value) {
  let best = 0;
  values.forEach((v, i) => { if (Math.abs(v - value) < Math.abs(values[best] - value)) best = i; });
  return best;
}

// A column of named bars. `even` draws a dashed line, `mark` a tick in each bar; both are fractions of the full width.
function barList(count, name) {
  const list = element("ol", { class: "sl-bars " + name });
  const rows = [];
  for (let i = 0; i < count; i++) {
    const [label, value] = [element("span", { class: "sl-name" }), element("span", { class: "sl-value" })];
    const bar = element("span", { class: "sl-fill" });
    const track = element("span", { class: "sl-track" }, bar);
    list.append(element("li", {}, label, track, value));
    rows.push({ label, track, bar, value });
  }
  return { list, rows };
}

function goalCard(text) {
  const task = element("p", {}, element("b", { text: "Goal. " }), element("span", { text }));
  const state = element("p", { class: "sl-state" });
  const node = element("div", { class: "sl-goal" }, task, state);
  const show = (reached, words) => {
    node.classList.toggle("sl-reached", reached);
    state.textContent = unbroken((reached ? "✓ Reached: " : "○ Not yet: ") + words);
  };
  return { node, show, task: task.lastChild };
}

function lookFor(text) {
  return element("p", { class: "sl-look" }, element("b", { text: "Look for: " }), text);
}
