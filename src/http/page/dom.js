// Making and changing elements. Text goes in as text only, so nothing that a chain, a node or a
// file says can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; children are elements or text. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else set(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute; null and false take it away. Writes only what changed. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets an element's text. Writes only what changed, so that a selection survives. */
export function say(element, text) {
  const next = text ?? "";
  if (element.textContent !== next) element.textContent = next;
}

/** Shows or hides an element. */
export function show(element, visible) {
  element.hidden = !visible;
}

/** A link, or plain text where there is nowhere to go. */
export function link(address, text, attributes = {}) {
  if (!address) return h("span", attributes, text);
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer", ...attributes }, text);
}

/** The element with that id. */
export const by = (id) => document.getElementById(id);
