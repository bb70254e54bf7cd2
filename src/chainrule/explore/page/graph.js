// The graph: the states of its boxes, zoom, and moving about in it by keyboard.
import { html } from "./dom.js";

/** The state of a box at a position: the same rule as `Session.shows` in session.py. */
export function stateOf(box, position, forwardSteps, asked) {
  const [name, forward, backward] = box;
  let state = position >= forward ? "forward" : "waiting";
  if (backward && position >= forwardSteps + backward) state = "backward";
  if (asked && asked.node === name && state !== "waiting") state = state === "forward" ? "waiting" : "forward";
  return state;
}

export class Graph {
  constructor(root, choose, open) {
    this.canvas = root.querySelector("[data-canvas]");
    this.choose = choose;
    this.open = open;
    this.items = [];
    this.scale = 1;
    this.canvas.addEventListener("click", (event) => this.clicked(event));
    this.canvas.addEventListener("dblclick", (event) => {
      const found = this.itemOf(event.target);
      if (found?.isBlock) this.open(found.name, true);
    });
    this.pan();
  }

  draw(drawing) {
    html(this.canvas, drawing.svg);
    this.svg = this.canvas.querySelector("svg");
    this.size = [Number(this.svg.getAttribute("width")), Number(this.svg.getAttribute("height"))];
    const groups = [...this.svg.querySelectorAll(".box")];
    this.items = drawing.items.map(([name, members], k) => ({
      name, members, group: groups[k], isBlock: groups[k].classList.contains("block"), shown: {},
      value: groups[k].querySelector(".value"), gradient: groups[k].querySelector(".gradient"),
    }));
    this.byName = new Map(this.items.map((item) => [item.name, item]));
    this.place = new Map(this.items.flatMap((item) => item.members.map((number) => [number, item])));
    this.edges = [...this.svg.querySelectorAll(".edge")];
    if (this.items.length) this.items[0].group.setAttribute("tabindex", "0");
    this.tabbed = this.items[0];
    this.fit();
  }

  itemOf(target) {
    const group = target.closest?.(".box");
    return group && this.byName.get(group.dataset.node);
  }

  clicked(event) {
    const item = this.itemOf(event.target);
    if (item && !this.dragged) this.choose(item.name);
  }

  /** Show what has been computed at a position; only what differs is touched, so that a large graph stays quick. */
  show(view, drawing, numbers, changed) {
    const steps = drawing.forward.length;
    for (const item of this.items) {
      const states = item.members.map((n) => stateOf(drawing.boxes[n], view.position, steps, view.asked));
      const state = item.isBlock ? summed(states) : states[0];
      const [number] = item.members;
      const done = states.filter((s) => s !== "waiting").length;
      this.set(item, "state", state, () => item.group.setAttribute("data-state", state));
      const value = item.isBlock ? `${done}/${states.length}` : state === "waiting" ? "" : numbers.values[number];
      const gradient = !item.isBlock && state === "backward" ? `∂ ${numbers.gradients[number]}` : "";
      this.set(item, "value", value, () => (item.value.textContent = value));
      this.set(item, "gradient", gradient, () => (item.gradient.textContent = gradient));
      const mark = item.members.some((n) => changed.has(n));
      this.set(item, "mark", mark, () => item.group.classList.toggle("changed", mark));
      const isChosen = item.name === view.chosen || (item.isBlock && this.holds(item, view.chosen, drawing));
      this.set(item, "pressed", isChosen, () => this.press(item, isChosen));
    }
  }

  holds(item, name, drawing) {
    return name !== "" && item.members.some((n) => drawing.boxes[n][0] === name);
  }

  set(item, key, value, apply) {
    if (item.shown[key] !== value) {
      item.shown[key] = value;
      apply();
    }
  }

  press(item, isChosen) {
    item.group.setAttribute("aria-pressed", String(isChosen));
    if (!isChosen) return;
    const at = String(this.items.indexOf(item));
    for (const edge of this.edges) {
      edge.classList.toggle("near", edge.dataset.from === at || edge.dataset.to === at);
    }
    this.tab(item, false);
    this.reveal(item);
  }

  tab(item, focus) {
    this.tabbed?.group.setAttribute("tabindex", "-1");
    item.group.setAttribute("tabindex", "0");
    this.tabbed = item;
    if (focus) item.group.focus({ preventScroll: true });
    if (focus) this.reveal(item);
  }

  reveal(item) {
    const [x, y] = [Number(item.group.dataset.x) * this.scale, Number(item.group.dataset.y) * this.scale];
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.canvas;
    const isOut = x < scrollLeft + 60 || x > scrollLeft + clientWidth - 60 ||
      y < scrollTop + 40 || y > scrollTop + clientHeight - 60;
    if (isOut) this.canvas.scrollTo({ left: x - clientWidth / 2, top: y - clientHeight / 2 });
  }

  /** The arrow keys go to the nearest box in that direction; Enter and Space press it. */
  key(event) {
    const ways = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const way = ways[event.key];
    const item = this.itemOf(event.target);
    if (item && event.key === "Enter") {
      this.choose(item.name);
      return true;
    }
    if (!way || !this.tabbed) return false;
    const from = this.tabbed.group.dataset;
    const near = this.items.map((one) => {
      const [dx, dy] = [one.group.dataset.x - from.x, one.group.dataset.y - from.y];
      const along = dx * way[0] + dy * way[1];
      return [along > 1 ? along + 3 * Math.abs(dx * way[1] + dy * way[0]) : Infinity, one];
    });
    const [distance, next] = near.reduce((best, pair) => (pair[0] < best[0] ? pair : best), [Infinity, null]);
    if (next && distance < Infinity) this.tab(next, true);
    return true;
  }

  zoom(scale) {
    if (!this.svg) return;
    this.scale = Math.min(Math.max(scale, 0.08), 4);
    this.svg.setAttribute("width", this.size[0] * this.scale);
    this.svg.setAttribute("height", this.size[1] * this.scale);
  }

  fit() {
    const wide = this.canvas.clientWidth - 8;
    this.zoom(wide > 50 ? Math.min(1, Math.max(wide / this.size[0], 0.45)) : 1);
  }

  /** Dragging the ground moves the drawing. */
  pan() {
    let start = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      this.dragged = false;
      if (event.pointerType === "mouse" && event.button === 0) {
        start = [event.clientX, event.clientY, this.canvas.scrollLeft, this.canvas.scrollTop];
      }
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!start || !(event.buttons & 1)) return;
      const [x, y, left, top] = start;
      this.dragged ||= Math.hypot(event.clientX - x, event.clientY - y) > 4;
      if (this.dragged) this.canvas.scrollTo(left - event.clientX + x, top - event.clientY + y);
    });
    this.canvas.addEventListener("pointerup", () => (start = null));
    this.canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey) {
        event.preventDefault();
        this.zoom(this.scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
      }
    }, { passive: false });
  }
}

function summed(states) {
  if (states.every((s) => s === "waiting")) return "waiting";
  return states.some((s) => s === "backward") ? "backward" : "forward";
}
