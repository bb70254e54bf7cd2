// The fields of numbers: typing, dragging to the left and right, and marks on what has changed.
import { html } from "./dom.js";

export class Fields {
  constructor(root, edit) {
    this.box = root.querySelector("[data-editors]");
    this.edit = edit;
    this.box.addEventListener("change", (event) => {
      const field = event.target.closest("[data-entry]");
      if (field && !this.drag) this.send(field, false);
    });
    this.box.addEventListener("pointerdown", (event) => this.begin(event));
    this.box.addEventListener("pointermove", (event) => this.move(event));
    this.box.addEventListener("pointerup", () => (this.drag = null));
    this.box.addEventListener("pointercancel", () => (this.drag = null));
  }

  draw(markup) {
    html(this.box, markup);
  }

  send(field, merge) {
    const value = Number(field.value);
    if (field.value === "" || !Number.isFinite(value)) return;
    const index = field.dataset.index ? field.dataset.index.split(",").map(Number) : [];
    this.edit(field.dataset.entry, index, value, merge);
  }

  show(numbers, isFirst) {
    for (const [name, values] of Object.entries(numbers)) {
      const fields = this.box.querySelectorAll(`[data-entry="${CSS.escape(name)}"]:not([data-extra])`);
      fields.forEach((field, k) => {
        const text = String(values[k]);
        const isChanged = !isFirst && Number(field.dataset.shown ?? field.defaultValue) !== values[k];
        field.classList.toggle("changed", isChanged);
        field.dataset.shown = text;
        if (this.drag?.field !== field) field.value = text;
      });
    }
  }

  reveal(name) {
    const editor = this.box.querySelector(`[data-editor="${CSS.escape(name)}"]`);
    if (editor) editor.open = true;
  }

  /** Put a field for one more entry of a large array next to the others. */
  add(text) {
    const found = /^\s*([\w.]+)\s*(?:\[([\d,\s]*)\])?\s*$/.exec(text);
    const editor = found && this.box.querySelector(`[data-editor="${CSS.escape(found[1])}"]`);
    if (!editor) return null;
    const index = (found[2] ?? "").replace(/\s/g, "");
    const name = index ? `${found[1]}[${index}]` : found[1];
    let field = [...editor.querySelectorAll("input")].find((one) => one.getAttribute("aria-label") === name);
    if (!field) {
      field = document.createElement("input");
      field.type = "number";
      field.step = "any";
      field.setAttribute("aria-label", name);
      Object.assign(field.dataset, { entry: found[1], index, extra: "" });
      const label = document.createElement("p");
      label.append(`${name} `, field);
      editor.append(label);
    }
    editor.open = true;
    field.focus();
    return field;
  }

  begin(event) {
    const field = event.target.closest?.("[data-entry]");
    if (!field || event.button !== 0 || field.disabled || document.activeElement === field) return;
    this.drag = { field, x: event.clientX, from: Number(field.value), isWhole: field.step === "1", moved: false };
    const drag = this.drag;
    setTimeout(() => { if (this.drag === drag && !drag.moved && !event.buttons) this.drag = null; }, 0);
  }

  move(event) {
    const drag = this.drag;
    if (!drag) return;
    if (!(event.buttons & 1)) {
      this.drag = null;
      return;
    }
    const far = event.clientX - drag.x;
    if (!drag.moved && Math.abs(far) < 4) return;
    const step = drag.isWhole ? Math.round(far / 12) : (far / 100) * Math.max(Math.abs(drag.from), 0.5);
    const value = drag.isWhole ? drag.from + step : Number((drag.from + step).toPrecision(6));
    if (Number(drag.field.value) === value) return;
    drag.field.value = String(value);
    this.send(drag.field, drag.moved);
    drag.moved = true;
    event.preventDefault();
  }
}
