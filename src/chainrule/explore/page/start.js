// How a page begins: served by Python, or from a recording in the page.
import { Recorded, Served } from "./engines.js";
import { Explorer } from "./main.js";

function pageName() {
  const kept = sessionStorage.getItem("explorer");
  if (kept) return kept;
  const name = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(36)).join("").slice(0, 20);
  sessionStorage.setItem("explorer", name);
  return name;
}

function linked() {
  try {
    return location.hash.length > 1 ? JSON.parse(decodeURIComponent(location.hash.slice(1))) : null;
  } catch {
    return null;
  }
}

export function start() {
  const config = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const engine = config.recording ? new Recorded(config.recording) : new Served(pageName());
  const explorer = new Explorer(document.querySelector("[data-explorer]"), engine, config);
  window.explorer = explorer; // for the console, and for tests
  const link = linked();
  if (link) history.replaceState(null, "", location.pathname + location.search);
  explorer.ask(link && typeof link === "object" ? { ...link, do: "replay" } : { do: "look" });
  if (config.recording) explorer.click("link", () => explorer.linked(explorer.engine.at));
}
