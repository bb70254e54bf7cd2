// Practice as a page: it shows what Python answers, and asks for what the reader does.
import { html, save } from "./dom.js";
import { Served, pageName } from "./served.js";

class Practice {
  constructor(root, engine, words) {
    this.root = root;
    this.engine = engine;
    this.words = words;
    this.line = Promise.resolve(); // one request after the other
    this.shown = "";
    const on = (name, event, act) => this.part(name).addEventListener(event, act);
    on("form", "submit", (event) => {
      event.preventDefault();
      this.check();
    });
    on("answer", "keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.check();
      }
    });
    on("hint", "click", () => this.ask({ do: "hint" }));
    on("show-key", "click", () => this.ask({ do: "key" }).then(() => this.part("key").focus()));
    on("next", "click", () => this.ask({ do: "next" }));
    on("export", "click", () => this.ask({ do: "export" }));
    for (const name of ["topic", "level"]) on(name, "change", () => this.choose());
  }

  part(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  ask(request) {
    this.line = this.line.then(async () => {
      this.root.setAttribute("aria-busy", "true");
      try {
        this.show(await this.engine.ask(request), request);
      } catch (error) {
        this.part("error").textContent = error instanceof TypeError ? this.words.lost : error.message;
      }
      this.root.removeAttribute("aria-busy");
    });
    return this.line;
  }

  choose() {
    return this.ask({ do: "choose", topic: this.part("topic").value, level: Number(this.part("level").value) });
  }

  check() {
    const chosen = this.root.querySelector(".choices input:checked");
    const isChoice = !this.part("chosen").hidden;
    const text = isChoice ? (chosen?.value ?? "") : this.part("answer").value;
    if (text.trim()) return this.ask({ do: "answer", text });
    this.part("error").textContent = isChoice ? this.words.choose : this.words.empty;
    return this.line;
  }

  show(view, request) {
    this.part("error").textContent = "";
    this.part("score").textContent = view.score;
    this.part("topic").value = view.topic;
    this.part("level").value = view.level;
    if (this.shown !== view.id + view.number) this.pose(view, request.do);
    html(this.part("verdict"), view.verdict?.html ?? "");
    this.part("verdict").className = view.verdict ? (view.verdict.right ? "box well" : "box warning") : "";
    html(this.part("hints"), view.hints);
    html(this.part("key"), view.key);
    html(this.part("record"), view.record);
    this.part("hint").disabled = !view.hasHint;
    this.part("show-key").disabled = view.key !== "";
    this.part("next").classList.toggle("main", view.isJudged || view.key !== "");
    if (view.file) save(view.file.name, view.file.text, view.file.type);
  }

  /** A new question: an empty field for what is typed, or a button for each choice. */
  pose(view, asked) {
    this.shown = view.id + view.number;
    this.part("title").textContent = `${view.number}. ${view.title}`;
    html(this.part("question"), view.question);
    this.part("answer").value = "";
    this.part("typed").hidden = view.choices.length > 0;
    this.part("chosen").hidden = view.choices.length === 0;
    const choices = view.choices.map((name) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "choice", value: name });
      label.append(input, ` ${name}`);
      return label;
    });
    this.root.querySelector(".choices").replaceChildren(...choices);
    if (asked !== "look") this.part("title").focus(); // a reader of the screen hears what is asked
  }
}

export function start() {
  const words = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const practice = new Practice(document.querySelector(".practice"), new Served(pageName()), words);
  window.practice = practice; // for the console, and for tests
  practice.ask({ do: "look" });
}
