// Who answers the page besides a server (served.js): Python in a notebook, or a recording.
import { stateOf } from "./graph.js";

/** Python in a notebook: the widget's messages. */
export class Notebook {
  constructor(model) {
    this.model = model;
    this.isLive = true;
    this.waiting = new Map();
    this.count = 0;
    this.name = Math.random().toString(36).slice(2);
    this.listener = (message) => {
      const resolve = message.page === this.name && this.waiting.get(message.id);
      if (resolve) {
        this.waiting.delete(message.id);
        resolve(message.answer);
      }
    };
    model.on("msg:custom", this.listener);
  }

  ask(request) {
    const id = ++this.count;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.model.send({ id, page: this.name, request });
    });
  }

  close() {
    this.model.off("msg:custom", this.listener);
  }
}

/** A recording in the page itself: it steps and scrubs; nothing in it is computed. */
export class Recorded {
  constructor(data) {
    this.data = data;
    this.isLive = false;
    this.at = { position: data.position, index: data.index, chosen: data.chosen, predicting: false, asked: null };
  }

  get drawing() {
    return this.at.isOpen && this.data.opened ? this.data.opened : this.data.drawing;
  }

  box(name) {
    return this.drawing.boxes.findIndex((box) => box[0] === name);
  }

  async ask(request) {
    const { at, drawing } = this;
    const [forward, total] = [drawing.forward.length, drawing.forward.length + drawing.backward.length];
    const drawn = at.isOpen;
    let told = null;
    const seek = (position) => {
      at.position = Math.min(Math.max(position, 0), total);
      at.asked = null;
    };
    const follow = (number, isGradient) => {
      at.chosen = drawing.boxes[number][0];
      const name = this.panelOf(at.chosen)?.[isGradient ? "askedGradient" : "askedValue"];
      if (at.predicting && name) at.asked = { node: at.chosen, name, isGradient };
    };
    switch (request.do) {
      case "forward":
        if (at.position < forward) {
          seek(at.position + 1);
          follow(drawing.forward[at.position - 1], false);
        }
        break;
      case "backward":
        if (at.position < total) {
          seek(Math.max(at.position, forward) + 1);
          follow(drawing.backward[at.position - forward - 1][1], true);
        }
        break;
      case "rewind": seek(0); break;
      case "end": seek(total); break;
      case "seek": seek(request.position); break;
      case "choose": at.chosen = request.node; break;
      case "time": at.index = Math.min(Math.max(request.index, 0), this.data.frames.length - 1); break;
      case "predict": at.predicting = request.on; at.asked = null; break;
      case "guess": case "show": at.asked = null; break;
      case "open": at.isOpen = request.open; break;
      case "latex": told = { name: "derivation.tex", type: "application/x-tex", text: this.data.latex }; break;
      case "replay":
        at.index = Math.min(request.index ?? 0, this.data.frames.length - 1);
        seek(request.position);
        at.chosen = request.node ?? "";
        break;
    }
    return this.view(request, drawn !== at.isOpen, told);
  }

  panelOf(name) {
    const found = this.data.frames[this.at.index].panels[name];
    return found && Object.fromEntries(Object.entries(found).map(([k, v]) => [k, this.text(v)]));
  }

  /** Texts that repeat are kept once, and stand in the panels by their number. */
  text(value) {
    return typeof value === "number" ? this.data.texts[value] : value;
  }

  view(request, isRedrawn, file) {
    const { at, data, drawing } = this;
    const frame = data.frames[at.index];
    const number = this.box(at.chosen);
    const isBlock = drawing.blocks.some(([name]) => name === at.chosen);
    const found = number >= 0 ? this.panelOf(at.chosen) : null;
    const steps = drawing.forward.length;
    let panel = isBlock ? { node: at.chosen, block: true, said: data.said[at.chosen], open: data.open } : null;
    if (number >= 0) {
      const state = stateOf(drawing.boxes[number], at.position, steps, at.asked);
      panel = { node: at.chosen, has_gradient: drawing.boxes[number][2] > 0, head: "", ...found };
      if (state === "waiting") Object.assign(panel, { forward: "", value: null });
      if (state !== "backward") Object.assign(panel, { backward: "", gradient: null });
    }
    const isKnown = at.position >= steps && !(at.asked && !at.asked.isGradient);
    const loss = isKnown ? { ...frame.loss } : { text: data.unknown, value: null };
    const isNew = request.version !== at.index + 1 || isRedrawn || !request.drawn;
    return {
      ...at, moments: data.frames.length, step: frame.step, steps: data.steps, version: at.index + 1, drawn: at.isOpen ? 2 : 1, canUndo: false, loss,
      rule: data.rule, panel, file,
      ...(isRedrawn || !request.drawn ? { drawing } : {}),
      ...(isNew ? { numbers: { ...frame.numbers, charts: frame.numbers.charts || data.charts } } : {}),
    };
  }
}
