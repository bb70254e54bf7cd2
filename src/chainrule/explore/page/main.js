// The page: it asks an engine, and shows what is answered. No mathematics is done here.
import { attribute, filled, html, save } from "./dom.js";
import { Fields } from "./fields.js";
import { Graph } from "./graph.js";

export class Explorer {
  constructor(root, engine, config) {
    Object.assign(this, { root, engine, config, words: config.words, view: {}, changed: new Set(), line: Promise.resolve() });
    this.graph = new Graph(root, (node) => this.ask({ do: "choose", node }), (node, open) => this.ask({ do: "open", node, open }));
    this.fields = new Fields(root, (node, index, value, merge) => this.edit(node, index, value, merge));
    this.bind();
    root.classList.toggle("recorded", !engine.isLive);
  }

  find(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  // Asking

  /** Ask for one thing after the other, so that answers cannot overtake each other. */
  ask(request) {
    this.line = this.line.then(() => this.told(request)).catch((error) => this.failed(error));
    return this.line;
  }

  async told(request) {
    const known = { version: this.view.version ?? 0, drawn: this.view.drawn ?? 0 };
    let answer = await this.engine.ask({ ...request, ...known });
    while (answer.busy) {
      this.busy(answer.busy);
      if (answer.error) this.say(answer.error, true);
      const stop = this.stopping ? "stop" : "look";
      this.stopping = false;
      answer = await this.engine.ask({ do: stop, ...known });
    }
    this.busy(null);
    this.say(answer.error ?? "", Boolean(answer.error));
    if (answer.file) save(answer.file.name, answer.file.text, answer.file.type);
    if (answer.link) this.linked(answer.link);
    if (answer.position !== undefined) this.show(answer, request);
    this.root.classList.toggle("empty", answer.position === undefined && !this.drawing);
  }

  failed(error) {
    this.pause();
    this.busy(null);
    this.say(error instanceof TypeError ? this.words.lost : error.message, true);
  }

  edit(node, index, value, merge) {
    this.latest = { do: "edit", node, index, value, merge };
    if (this.editing) return;
    this.editing = true;
    const next = async () => {
      while (this.latest) {
        const request = this.latest;
        this.latest = null;
        await this.told(request);
      }
    };
    this.line = this.line.then(next).catch((error) => this.failed(error)).finally(() => (this.editing = false));
  }

  say(text, isError) {
    const note = this.find("note");
    note.textContent = text;
    note.classList.toggle("bad", isError);
  }

  busy(work) {
    this.find("busy").hidden = !work;
    if (work) {
      this.find("progress").max = work.total;
      this.find("progress").value = work.done;
      this.find("progress-text").textContent = filled(this.words.busy, work);
    }
  }

  // Showing

  show(answer, request) {
    const { drawing, numbers, ...view } = answer;
    const isFirst = !this.numbers || Boolean(drawing);
    this.view = view;
    if (drawing) this.draw(drawing);
    if (numbers) {
      this.mark(numbers, isFirst);
      this.numbers = numbers;
      this.fields.show(numbers.fields, isFirst || request.do === "time");
      html(this.find("charts"), numbers.charts);
      html(this.find("compared"), numbers.compare ?? "");
    }
    this.graph.show(view, this.drawing, this.numbers, this.changed);
    this.showPosition();
    this.showLoss(view.loss);
    this.showPanel(view.panel);
    this.showTraining();
    this.showQuestion(request);
    if (request.do === "choose") this.fields.reveal(view.chosen);
  }

  draw(drawing) {
    this.drawing = drawing;
    this.find("subject").textContent = drawing.title;
    this.graph.draw(drawing);
    this.fields.draw(drawing.editors);
    html(this.find("equations"), drawing.equations);
    this.find("graph-note").textContent = drawing.note;
    this.find("names").replaceChildren(...drawing.boxes.map(([name]) => new Option(name, name)));
    const kept = this.find("optimizer");
    kept.replaceChildren(...drawing.optimizers.map((name) => new Option(name, name)));
    this.find("with").replaceChildren(new Option("–", ""), ...drawing.variants.map((name) => new Option(name, name)));
    const blocks = this.find("blocks");
    blocks.hidden = drawing.blocks.length === 0;
    this.find("closers").replaceChildren(...drawing.blocks.filter(([, open]) => open).map(([name]) => this.closer(name)));
    if (!this.engine.isLive) for (const one of this.root.querySelectorAll("[data-python]")) one.disabled = true;
    if (!this.engine.isLive) for (const one of this.find("editors").querySelectorAll("input")) one.disabled = true;
  }

  closer(name) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = filled(this.words["close block"], { name });
    button.addEventListener("click", () => this.ask({ do: "open", node: name, open: false }));
    return button;
  }

  mark(numbers, isFirst) {
    this.changed = new Set();
    if (isFirst) return;
    numbers.values.forEach((value, k) => {
      const isSame = value === this.numbers.values[k] && numbers.gradients[k] === this.numbers.gradients[k];
      if (!isSame) this.changed.add(k);
    });
  }

  showPosition() {
    const [n, m] = [this.drawing.forward.length, this.drawing.backward.length];
    const at = this.view.position;
    const words = this.words;
    const text = at === 0 ? words["at start"] : at <= n ? filled(words["at forward"], { k: at, n })
      : at < n + m ? filled(words["at backward"], { k: at - n, n: m }) : words["at end"];
    const slider = this.find("position");
    slider.max = n + m;
    slider.value = at;
    slider.setAttribute("aria-valuetext", text);
    this.find("now").textContent = text;
    this.find("undo").setAttribute("aria-disabled", String(!this.view.canUndo));
    this.find("predict").setAttribute("aria-pressed", String(this.view.predicting));
  }

  showLoss(loss) {
    const status = this.find("status");
    attribute(status, "data-loss", loss.value);
    attribute(status, "data-predicted", loss.predicted);
    attribute(status, "data-change", loss.change);
    this.find("loss-text").textContent = loss.text;
    this.find("loss-said").textContent = [loss.after, loss.said].filter(Boolean).join(" · ");
  }

  showPanel(panel) {
    const step = this.find("step");
    const isBox = panel && !panel.block;
    const signature = JSON.stringify(panel);
    if (this.shown === signature) return;
    this.shown = signature;
    attribute(step, "data-value", isBox ? panel.value : null);
    attribute(step, "data-gradient", isBox ? panel.gradient : null);
    attribute(step, "data-of", panel?.node);
    const body = this.find("panel");
    if (!panel) body.textContent = this.words["nothing chosen"];
    else if (panel.block) this.showBlock(body, panel);
    else html(body, panel.head + this.computed(panel));
    if (isBox && panel.value !== null && panel.value !== undefined) {
      const exact = document.createElement("div");
      exact.className = "exact";
      attribute(exact, "data-value", panel.value);
      attribute(exact, "data-gradient", panel.gradient);
      body.append(exact);
    }
    for (const option of this.root.querySelectorAll("[data-for]")) {
      const isOf = option.dataset.for === panel?.node;
      option.setAttribute("aria-selected", String(isOf));
    }
    const first = this.root.querySelector('[data-for][aria-selected="true"]');
    if (first) reveal(first);
  }

  computed(panel) {
    const soft = (text) => `<p class="soft">${text}</p>`;
    if (!panel.forward && panel.value === null) return soft(this.words.waiting);
    const none = panel.has_gradient ? this.words["no gradient yet"] : this.words["no gradient"];
    return panel.forward + (panel.backward || soft(none));
  }

  showBlock(body, panel) {
    const text = document.createElement("p");
    text.textContent = panel.said;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = panel.open;
    button.addEventListener("click", () => this.ask({ do: "open", node: panel.node, open: true }));
    body.replaceChildren(text, button);
  }

  showTraining() {
    const slider = this.find("time");
    const n = this.view.moments - 1;
    slider.max = n;
    slider.value = this.view.index;
    const { step = this.view.index, steps = n } = this.view; // a recording may keep only some of the moments
    const text = filled(this.words["time said"], { k: step, n: steps });
    slider.setAttribute("aria-valuetext", text);
    this.find("time-text").textContent = text;
    const rate = this.find("rate");
    if (document.activeElement !== rate) rate.value = this.view.rule.lr;
    this.find("optimizer").value = this.view.rule.name;
    this.find("with").value = this.view.rival ?? "";
  }

  showQuestion(request) {
    const asked = this.view.asked;
    const form = this.find("question");
    if (request.do === "guess" && this.question) this.judge(request.value);
    form.hidden = !asked;
    this.question = asked;
    if (asked) {
      this.find("asked").textContent = filled(this.words.predict, asked);
      if (request.do === "forward" || request.do === "backward") {
        this.find("verdict").textContent = "";
        this.find("guess").value = "";
      }
    }
  }

  judge(guess) {
    const { name, node } = this.question;
    const isGradient = name.startsWith("∂");
    const panel = this.view.panel;
    if (panel?.node !== node) return;
    const exact = JSON.parse(((isGradient ? panel.gradient : panel.value) ?? "0").replace(/^-?(NaN|Infinity)$/, "null"));
    const truth = Number([exact].flat(Infinity)[0]);
    const isRight = guess === truth || Math.abs(guess - truth) <= Math.max(0.01 * Math.abs(truth), 0.005);
    const value = Number(truth.toPrecision(4));
    this.find("verdict").textContent = filled(this.words[isRight ? "right" : "wrong"], { name, value });
    this.find("verdict").className = isRight ? "good" : "bad";
  }

  // What the controls do

  bind() {
    const simple = ["forward", "backward", "rewind", "end", "undo", "reset"];
    for (const name of simple) this.click(name, () => this.ask({ do: name }));
    this.click("play", () => this.play());
    this.click("pause", () => this.pause());
    this.click("predict", () => this.ask({ do: "predict", on: !this.view.predicting }));
    this.click("train", () => this.train(1));
    this.click("train10", () => this.train(10));
    this.click("train100", () => this.train(100));
    this.click("stop", () => (this.stopping = true));
    this.click("doctor", () => this.ask({ do: "doctor" }));
    this.click("zoom-in", () => this.graph.zoom(this.graph.scale * 1.25));
    this.click("zoom-out", () => this.graph.zoom(this.graph.scale / 1.25));
    this.click("fit", () => this.graph.fit());
    this.click("open-all", () => this.ask({ do: "open", node: "*", open: true }));
    this.click("close-all", () => this.ask({ do: "open", node: "*", open: false }));
    this.click("save-svg", () => save("graph.svg", this.picture(), "image/svg+xml"));
    this.click("save-png", () => this.png());
    this.click("save-tex", () => this.ask({ do: "latex" }));
    this.click("save-html", () => this.ask({ do: "export" }));
    this.click("link", () => this.ask({ do: "link" }));
    this.on("position", "input", (event) => this.ask({ do: "seek", position: Number(event.target.value) }));
    this.on("time", "input", (event) => this.ask({ do: "time", index: Number(event.target.value) }));
    this.on("rate", "change", (event) => this.ask({ do: "rule", lr: Number(event.target.value) }));
    this.on("optimizer", "change", (event) => this.ask({ do: "rule", optimizer: event.target.value }));
    this.on("with", "change", (event) => this.ask({ do: "compare", with: event.target.value }));
    this.on("search", "input", (event) => this.search(event.target.value, false));
    this.on("search", "change", (event) => this.search(event.target.value, true));
    this.on("another", "change", (event) => this.entry(event.target));
    this.on("canvas", "keydown", (event) => this.key(event));
    this.on("question", "submit", (event) => {
      event.preventDefault();
      const value = this.find("guess").valueAsNumber;
      if (Number.isFinite(value)) this.ask({ do: "guess", value });
    });
    this.click("show", () => this.ask({ do: "show" }));
    this.on("equations", "click", (event) => this.option(event.target.closest("[data-for]")));
    this.on("equations", "keydown", (event) => this.optionKey(event));
    for (const one of this.root.querySelectorAll("[data-example]")) {
      one.addEventListener("click", () => this.load(one.dataset.example));
    }
  }

  click(name, action) {
    this.on(name, "click", (event) => {
      if (event.currentTarget.getAttribute("aria-disabled") !== "true") action();
    });
  }

  on(name, event, action) {
    this.find(name)?.addEventListener(event, action);
  }

  option(option) {
    if (option) this.ask({ do: "choose", node: option.dataset.for });
  }

  optionKey(event) {
    const list = event.target.closest("[role=listbox]");
    const ways = { ArrowDown: 1, ArrowUp: -1 };
    if (!list || !(event.key in ways)) return;
    event.preventDefault();
    const options = [...list.querySelectorAll("[data-for]")];
    const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
    this.option(options[Math.min(Math.max(at + ways[event.key], 0), options.length - 1)]);
  }

  load(example) {
    this.pause();
    this.ask({ do: "load", example });
    for (const one of this.root.querySelectorAll("[data-example]")) {
      one.setAttribute("aria-pressed", String(one.dataset.example === example));
    }
    for (const one of this.root.querySelectorAll("[data-code]")) one.hidden = one.dataset.code !== example;
  }

  search(text, isWhole) {
    const name = text.trim();
    const box = this.drawing.boxes.find(([one]) => one === name) ??
      (isWhole ? this.drawing.boxes.find(([one]) => one.startsWith(name)) : null);
    if (name && box) this.ask({ do: "choose", node: box[0] });
  }

  entry(input) {
    if (!this.fields.add(input.value)) this.say(this.words["entry hint"], true);
    else input.value = "";
  }

  key(event) {
    const keys = { ".": "forward", ",": "backward", " ": "play", "+": "zoom-in", "=": "zoom-in", "-": "zoom-out" };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.graph.key(event)) event.preventDefault();
    else if (event.key === " " && this.timer) {
      event.preventDefault();
      this.pause();
    } else if (keys[event.key]) {
      event.preventDefault();
      this.find(keys[event.key]).click();
    }
  }

  train(steps) {
    this.ask({ do: "train", steps, lr: Number(this.find("rate").value), optimizer: this.find("optimizer").value });
  }

  play() {
    this.pause();
    if (this.view.position >= this.total()) this.ask({ do: "rewind" });
    const tick = async () => {
      if (!this.timer) return;
      if (this.view.asked) return this.pause();
      await this.ask({ do: this.view.position < this.drawing.forward.length ? "forward" : "backward" });
      if (this.view.position >= this.total()) return this.pause();
      if (this.timer) this.timer = setTimeout(tick, 1000 / Number(this.find("speed").value));
    };
    this.timer = setTimeout(tick, 50);
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  total() {
    return this.drawing.forward.length + this.drawing.backward.length;
  }

  // Taking it along

  /** The drawing as a file of its own, with the style that it needs. */
  picture() {
    const copy = this.graph.svg.cloneNode(true);
    const [width, height] = this.graph.size;
    attribute(copy, "width", width);
    attribute(copy, "height", height);
    const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = this.config.graphStyle;
    copy.prepend(style);
    return new XMLSerializer().serializeToString(copy);
  }

  png() {
    const [width, height] = this.graph.size;
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      const sharp = Math.min(2, 8000 / Math.max(width, height));
      Object.assign(canvas, { width: width * sharp, height: height * sharp });
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#ffffff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save("graph.png", blob));
    };
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(this.picture())}`;
  }

  linked(link) {
    location.hash = encodeURIComponent(JSON.stringify(link));
    this.say(this.words.copied, false);
  }
}

function reveal(option) {
  const list = option.closest("[role=listbox]");
  const [top, bottom] = [option.offsetTop - list.offsetTop, option.offsetTop - list.offsetTop + option.offsetHeight];
  if (top < list.scrollTop || bottom > list.scrollTop + list.clientHeight) list.scrollTop = top - 20;
}
