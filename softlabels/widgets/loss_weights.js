// The loss-weighting widget: two terms pull at the student's logits. How hard, and in which direction?

const LOWEST = 0.5, HIGHEST = 20, PER_OCTAVE = 48, GOAL_T = 8, EVEN = 0.05;

export function temperatureStops() {
  const stops = [];
  for (let i = 0; ; i++) {
    const t = LOWEST * 2 ** (i / PER_OCTAVE);
    if (t >= HIGHEST) return [...stops, HIGHEST];
    stops.push(t);
  }
}

// The weights the sliders stop at: fine near 0, where a weight doubles quickly, coarser above.
export function weightStops() {
  const stops = [0];
  const upTo = (end, step) => {
    while (stops.at(-1) < end - 1e-9) stops.push(Number((stops.at(-1) + step).toFixed(4)));
  };
  upTo(0.01, 0.0005); upTo(0.03, 0.001); upTo(0.1, 0.005); upTo(0.2, 0.01); upTo(1, 0.025);
  return stops;
}

function logSoftmax(logits, temperature) {
  const largest = Math.max(...logits), shifted = logits.map((z) => (z - largest) / temperature);
  const log = Math.log(shifted.reduce((sum, z) => sum + Math.exp(z), 0));
  return shifted.map((z) => z - log);
}

// Unweighted pulls on one batch: the soft one (softmax(s/T) − softmax(t/T)) / (T·N), the gradient of KL without T²,
// and the hard one (softmax(s) − onehot) / N. The weights and T² only multiply these.
export function pulls(student, teacher, labels, temperature) {
  const n = student.length;
  let [kl, crossEntropy, softSquare, hardSquare, product] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const s = logSoftmax(student[i], temperature), t = logSoftmax(teacher[i], temperature);
    const plain = logSoftmax(student[i], 1);
    crossEntropy -= plain[labels[i]] / n;
    for (let c = 0; c < s.length; c++) {
      const [ps, pt] = [Math.exp(s[c]), Math.exp(t[c])];
      kl += pt * (t[c] - s[c]) / n;
      const soft = (ps - pt) / (temperature * n), hard = (Math.exp(plain[c]) - (c === labels[i] ? 1 : 0)) / n;
      softSquare += soft * soft; hardSquare += hard * hard; product += soft * hard;
    }
  }
  return { kl, crossEntropy, soft: Math.sqrt(softSquare), hard: Math.sqrt(hardSquare), product };
}

// Everything the widget shows; `compute` in loss_weights.py gets the same from autograd on softlabels.distill's losses.
export function compute(student, teacher, labels, temperature, softWeight, hardWeight, squared) {
  const p = pulls(student, teacher, labels, temperature), a = softWeight * (squared ? temperature ** 2 : 1);
  const softNorm = a * p.soft, hardNorm = hardWeight * p.hard, both = softNorm + hardNorm;
  const cosine = softNorm > 0 && hardNorm > 0 ? p.product / p.soft / p.hard : null;
  const square = softNorm ** 2 + hardNorm ** 2 + 2 * a * hardWeight * p.product;
  return {
    soft_loss: a * p.kl, hard_loss: hardWeight * p.crossEntropy, soft_norm: softNorm, hard_norm: hardNorm,
    total_norm: Math.sqrt(Math.max(0, square)),
    soft_share: both ? softNorm / both : 0, hard_share: both ? hardNorm / both : 0,
    angle: cosine === null ? null : (180 / Math.PI) * Math.acos(Math.max(-1, Math.min(1, cosine))),
  };
}

const SOFT = "var(--sl-accent)", HARD = "var(--sl-second)";

// The two pulls as arrows. Any two vectors lie in a plane, so their lengths and the angle between them are drawn true.
function arrows(width, height) {
  const line = (stroke, dash) => svg("path", { fill: "none", stroke, "stroke-width": 3, "stroke-dasharray": dash });
  const soft = line(SOFT, "none"), hard = line(HARD, "none"), total = line("var(--sl-ink)", "6 4");
  const words = ["soft", "hard", "sum"].map((text) => svg("text", { text }));
  const node = svg("svg", { class: "sl-arrows", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "The two pulls as arrows, and their sum" }, total, hard, soft, ...words);
  const draw = (path, text, [x, y], visible) => {
    path.style.visibility = text.style.visibility = visible ? "visible" : "hidden";
    const length = Math.hypot(x, y) || 1, [ux, uy] = [x / length, y / length], head = Math.min(9, length);
    const [ox, oy] = [12, height - 24], tip = [ox + x, oy - y];
    const wing = (side) => `${tip[0] - head * ux + side * 5 * uy} ${tip[1] + head * uy + side * 5 * ux}`;
    path.setAttribute("d", `M${ox} ${oy}L${tip.join(" ")}M${wing(1)}L${tip.join(" ")}L${wing(-1)}`);
    return tip;
  };
  return {
    node,
    show({ soft_norm: s, hard_norm: h, total_norm, angle }) {
      const turn = ((angle ?? 0) * Math.PI) / 180, tips = [[h + s * Math.cos(turn), s * Math.sin(turn)], [h, 0],
        [s * Math.cos(turn), s * Math.sin(turn)]];
      const left = Math.min(0, tips[2][0]), right = Math.max(...tips.map((p) => p[0]));
      const high = Math.max(...tips.map((p) => p[1]));
      const scale = Math.min((width - 76) / (right - left || 1), (height - 48) / (high || 1e-9));
      const put = (path, text, [x, y], there, below) => {
        const tip = draw(path, text, [x * scale, y * scale], there);
        text.setAttribute("x", tip[0] + 5);
        text.setAttribute("y", tip[1] + (below ? 17 : -4));
      };
      node.setAttribute("viewBox", `${left * scale} 0 ${width} ${height}`);
      put(total, words[2], tips[0], total_norm > 0 && s > 0 && h > 0, false);
      put(hard, words[1], tips[1], h > 0, true);
      put(soft, words[0], tips[2], s > 0, false);
    },
  };
}

function sentence(seen, temperature, squared) {
  const start = `T = ${temperature.toFixed(2)}, ${squared ? "with" : "without"} T²: `;
  if (seen.angle === null) return start + (seen.soft_norm > 0 ? "only the soft term pulls."
    : seen.hard_norm > 0 ? "only the hard term pulls." : "nothing pulls: the student would not learn.");
  const way = seen.angle < 60 ? "roughly the same way"
    : seen.angle < 120 ? "in quite different directions" : "against each other";
  return start + `the soft term contributes ${percent(seen.soft_share)} of the pull, the hard term ` +
    `${percent(seen.hard_share)}. They pull ${way}.`;
}

function render({ model: shared, el }) {
  const model = handheld(shared);
  const [student, teacher, labels] = ["student_logits", "teacher_logits", "labels"].map((key) => model.get(key));
  const weights = weightStops(), change = (key) => (value) => model.set({ [key]: value });
  const root = frame(el, "sl-loss", "Loss weights");
  const speech = speaker(root);
  const t = slider({ label: "Temperature T", name: "sl-t", values: temperatureStops(), page: PER_OCTAVE,
    format: (x) => "T = " + x.toFixed(2), ticks: [0.5, 1, 2, 4, 8, 20], move: change("temperature") });
  const weight = (label, name, key) => slider({ label, name, values: weights, page: 10,
    format: (x) => String(Number(x.toFixed(4))), ticks: [0, 0.01, 0.1, 0.5, 1], move: change(key) });
  const soft = weight("soft_weight", "sl-soft", "soft_weight"), hard = weight("hard_weight", "sl-hard", "hard_weight");
  const toggle = element("input", { type: "checkbox", class: "sl-squared" });
  toggle.dataset.lmSuppressShortcuts = "true";
  const piece = (colour) => element("span", { style: "background: " + colour });
  const pieces = { hard: piece(HARD), soft: piece(SOFT) };
  const stack = element("div", { class: "sl-stack" }, pieces.hard, pieces.soft);
  const table = element("table", { class: "sl-terms" }), cells = {};
  const heads = ["", "loss", "gradient", "share"].map((text) => element("th", { scope: "col", text }));
  table.append(element("tr", {}, ...heads));
  for (const [key, text] of [["hard", "▨ hard term"], ["soft", "■ soft term"]]) {
    cells[key] = ["loss", "norm", "share"].map((name) => element("td", { class: `sl-${key}-${name}` }));
    table.append(element("tr", {}, element("th", { scope: "row", text }), ...cells[key]));
  }
  const picture = arrows(320, 150), angle = element("p", { class: "sl-angle" });
  const goal = goalCard("");
  root.prepend(
    lookFor("what T does to the soft term's share, first with T², then without."),
    element("div", { class: "sl-columns" },
      element("div", { style: "flex: 1 1 300px; min-width: 0" }, t.node, soft.node, hard.node,
        element("label", { class: "sl-check" }, toggle, " multiply the soft term by T²"), speech.print, goal.node),
      element("div", { style: "flex: 1 1 330px; min-width: 0" }, table, stack,
        element("p", { class: "sl-legend sl-scale" }), picture.node, angle)));
  const scaleWords = root.querySelector(".sl-scale");

  // The goal is set where this batch lets the sliders reach it: at T = 8 if they can, else at the next lower octave.
  const { hard: hardest } = pulls(student, teacher, labels, 1);
  const within = (softness) => weights.some((w) => w > 0 && Math.abs(softness / (softness + w * hardest) - 0.5) < EVEN);
  const aim = [GOAL_T, 4, 2].find((x) => within(pulls(student, teacher, labels, x).soft));
  goal.task.textContent = aim === undefined
    ? "Make both terms pull equally."
    : `At T = ${aim}, without T², make both terms pull equally. How small must the hard weight be?`;
  const softest = (x) => pulls(student, teacher, labels, x).soft * Math.max(1, x * x);
  const full = hardest + 1.02 * Math.max(...[0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20].map(softest)); // both weights 1, any T
  scaleWords.textContent = `The gradients' norms, stacked; full width is ${threeDigits(full)} for this batch of ` +
    `${student.length}.`;

  function draw() {
    const [temperature, softWeight, hardWeight, squared] =
      ["temperature", "soft_weight", "hard_weight", "times_t_squared"].map((key) => model.get(key));
    const seen = compute(student, teacher, labels, temperature, softWeight, hardWeight, squared);
    t.show(temperature); soft.show(softWeight); hard.show(hardWeight);
    toggle.checked = squared;
    const squeeze = Math.max(1, (seen.soft_norm + seen.hard_norm) / full);
    for (const key of ["hard", "soft"]) {
      pieces[key].style.width = (100 * seen[key + "_norm"]) / full / squeeze + "%";
      cells[key][0].textContent = threeDigits(seen[key + "_loss"]);
      cells[key][1].textContent = threeDigits(seen[key + "_norm"]);
      cells[key][2].textContent = percent(seen[key + "_share"]);
    }
    picture.show(seen);
    angle.textContent = seen.angle === null ? "Angle: none, because one term does not pull."
      : `Angle between the two: ${seen.angle.toFixed(1)}°. Norm of their sum: ${threeDigits(seen.total_norm)}.`;
    const even = seen.soft_norm > 0 && Math.abs(seen.soft_share - 0.5) < EVEN;
    const there = aim === undefined || (!squared && Math.abs(temperature / aim - 1) < 0.02);
    const ratio = hardWeight > 0 ? softWeight / hardWeight : Infinity;
    goal.show(even && there, even && there
      ? `the soft weight is ${threeDigits(ratio)} times the hard one.` +
        (squared ? "" : ` Now switch T² on: it multiplies the soft term by ${threeDigits(temperature ** 2)}.`)
      : !there ? (squared ? "T² is still on." : `T is ${temperature.toFixed(2)}, not ${aim}.`)
      : `the soft term has ${percent(seen.soft_share)} of the pull; between 45 % and 55 % is equal enough.`);
    speech.say(sentence(seen, temperature, squared));
  }

  toggle.addEventListener("change", () => change("times_t_squared")(toggle.checked));
  ["temperature", "soft_weight", "hard_weight", "times_t_squared"].forEach((key) => model.watch(key, draw));
  draw();
  return () => { model.stop(); speech.stop(); };
}

export default { render };
