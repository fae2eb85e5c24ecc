// Small builders of elements. Text is added as text nodes, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function assemble(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const node = (tag, attributes = {}, ...children) =>
  assemble(document.createElement(tag), attributes, children);

export const svgNode = (tag, attributes = {}, ...children) =>
  assemble(document.createElementNS(SVG, tag), attributes, children);

/** A panel's outermost element; MathJax leaves its texts alone: "$5 or $6" is no formula. */
export const panel = (className, label, ...children) =>
  node("div", { class: `${className} tex2jax_ignore mathjax_ignore`, role: "group", "aria-label": label }, ...children);

/** Text from a user or a model; its writing direction does not affect the text around it. */
export const quotedText = (tag, className, text) => node(tag, { class: className, dir: "auto" }, text);

/** Call `onClick` unless the button is disabled; a disabled one can still have the focus. */
export function onPress(target, onClick, signal) {
  target.addEventListener("click", () => {
    if (target.getAttribute("aria-disabled") !== "true") onClick();
  }, { signal });
}

/** A button with a tooltip. */
export function button(label, title, onClick, signal) {
  const element = node("button", { type: "button", title }, label);
  onPress(element, onClick, signal);
  return element;
}

/** Set an attribute only if it changed, which avoids layout. */
export function updateAttribute(element, name, value) {
  if (element.getAttribute(name) !== `${value}`) element.setAttribute(name, value);
}

/** Set the text only if it changed, which avoids layout. */
export function updateText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const setEnabled = (element, isEnabled) => updateAttribute(element, "aria-disabled", !isEnabled);

/** A number with about three significant digits; a dash if it is not finite. */
export function formatNumber(value) {
  if (!Number.isFinite(value)) return "\u2013";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 || size === 0 ? 3 : 4;
  return value.toFixed(digits);
}

export const truncate = (text, length) => (text.length > length ? `${text.slice(0, length)}\u2026` : text);
