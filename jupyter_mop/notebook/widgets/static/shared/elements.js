// Small builders of elements. Text goes in as text nodes, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const node = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const drawn = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

/** A text of somebody else: its direction is its own and does not turn what is around it. */
export const quote = (tag, name, text) => node(tag, { class: name, dir: "auto" }, text);

/** A button that says why it does nothing while it is off, and stays reachable by keyboard. */
export function button(label, title, onClick, signal) {
  const made = node("button", { type: "button", title }, label);
  made.addEventListener("click", () => {
    if (made.getAttribute("aria-disabled") !== "true") onClick();
  }, { signal });
  return made;
}

/** Write a text or an attribute only where it changed: the page is laid out less. */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== `${value}`) element.setAttribute(name, value);
}
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const enable = (element, on) => mark(element, "aria-disabled", !on);

/** A number in as many digits as a reader needs; a dash where there is none. */
export function short(value) {
  if (!Number.isFinite(value)) return "\u2013";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 || size === 0 ? 3 : 4;
  return value.toFixed(digits);
}

export const cut = (text, length) => (text.length > length ? `${text.slice(0, length)}\u2026` : text);
