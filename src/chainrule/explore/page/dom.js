// The few things that every module does with the document.

/** Fill an element with markup that Python made: every text in it is escaped there. */
export function html(element, markup) {
  element.innerHTML = markup;
}

/** Put values into a text of the catalogue: `{name}`. */
export function filled(text, fields) {
  return text.replace(/\{(\w+)[^{}]*\}/g, (_, name) => fields[name] ?? "");
}

/** Offer text or a blob as a file to save. */
export function save(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Set or remove an attribute. */
export function attribute(element, name, value) {
  if (value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value);
}
