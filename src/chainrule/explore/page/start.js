// How a page begins: served by Python, or from a recording in the page.
import { Recorded } from "./engines.js";
import { Explorer } from "./main.js";
import { Served, pageName } from "./served.js";

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
