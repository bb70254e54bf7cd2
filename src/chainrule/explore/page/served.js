// What a served page needs to speak with Python.

/** Python behind a server on this machine. */
export class Served {
  constructor(page) {
    this.page = page;
    this.isLive = true;
  }

  async ask(request) {
    const answer = await fetch("act", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...request, page: this.page }),
    });
    if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
    return answer.json();
  }
}

/** The name under which Python keeps this page's state: a reload finds it again. */
export function pageName() {
  const kept = sessionStorage.getItem("explorer");
  if (kept) return kept;
  const name = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(36)).join("").slice(0, 20);
  sessionStorage.setItem("explorer", name);
  return name;
}
