// The switch between versions, the buttons that copy code, and proofs that open for printing. The site works without.

(() => {
  for (const picker of document.querySelectorAll(".site-version")) {
    const { here, page, root } = picker.dataset;
    const known = window.siteVersions && window.siteVersions.length ? window.siteVersions : [here];
    picker.replaceChildren(...known.map((name) => new Option(name, name, name === here, name === here)));
    picker.addEventListener("change", () => {
      // A page may be missing in another version: its first page is always there.
      const first = page.replace(/\/.*/, "/index.html");
      location.href = root + picker.value + "/" + (location.protocol === "file:" ? first : page);
    });
  }

  // Prompts and output are not copied from an interactive example.
  const codeOf = (text) => {
    const lines = text.split("\n");
    if (!lines.some((line) => line.startsWith(">>> "))) return text;
    return lines.filter((line) => /^(>>>|\.\.\.)( |$)/.test(line)).map((line) => line.slice(4)).join("\n") + "\n";
  };
  const korean = document.documentElement.lang === "ko";
  const [copy, copied] = korean ? ["복사", "복사됨"] : ["Copy", "Copied"];
  for (const block of document.querySelectorAll("div.highlight-python > div.highlight, div.highlight-sh > div.highlight")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "site-copy";
    button.textContent = copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(codeOf(block.querySelector("pre").textContent));
      button.textContent = copied;
      setTimeout(() => (button.textContent = copy), 1500);
    });
    block.append(button);
  }

  // The theme's arrows in the navigation have no name for a screen reader: that of their entry.
  for (const summary of document.querySelectorAll(".bd-links summary")) {
    const entry = summary.closest("li").querySelector("a");
    if (entry) summary.setAttribute("aria-label", entry.textContent.trim());
  }

  // The arrows of <details> mean nothing on paper.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
})();

// Searching: what was typed is marked on the page that is found, not the pairs of syllables that were looked for; and from
// the disk, where a browser may not read other pages, results come without excerpts.
(() => {
  if (typeof Search === "undefined") return;
  // The theme loads the search on every page, and Sphinx then takes each page for that of the results.
  if (!document.getElementById("search-results")) SphinxHighlight.highlightSearchWords();
  const parse = Search._parseQuery;
  Search._parseQuery = (query) => {
    const parsed = parse(query);
    const typed = query.toLowerCase().split(/\s+/).filter((word) => word);
    parsed[3] = new Set(typed);
    localStorage.setItem("sphinx_highlight_terms", typed.join(" "));
    return parsed;
  };
  // Sphinx has no Korean for the number of pages found.
  const plural = Documentation.ngettext;
  Documentation.ngettext = (one, many, n) =>
    plural(one, many, n) || (document.documentElement.lang === "ko" ? "${resultCount}개 페이지를 찾았습니다." : many);
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
})();
