// Elements, made once and changed only where something differs: so the focus, a selection and the place of a screen
// reader stay where they are while figures change every second.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** An HTML element; attributes that begin with `on` are listeners. */
export function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** The element of this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Sets the text of an element, if it is another. */
export function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/** Sets an attribute, if it is another; null removes it. */
export function set(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Makes the children of `parent` one for each of `items`, in their order. A child is made by `make(item)` once for each
 * `key(item)` and brought up to date by its `update(item)`.
 */
export function each(parent, items, key, make) {
  const known = parent.known ?? (parent.known = new Map());
  const seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    if (seen.has(name)) continue;
    seen.add(name);
    let child = known.get(name);
    if (!child) known.set(name, child = make(item));
    child.update(item);
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  for (const [name, child] of known) {
    if (!seen.has(name)) {
      // Who was at it is then at what stands beside it, and not at the begin of the page.
      if (child.contains(document.activeElement)) (child.nextElementSibling ?? child.previousElementSibling)?.querySelector('button')?.focus();
      child.remove();
      known.delete(name);
    }
  }
}

/**
 * A table's row of cells with these classes, the first one its header where its class is `head`; `update(cells, item)` brings
 * them up to date. With roles and labels of their own they stay a table's when a small screen shows them one below the other.
 */
export function row(columns, update) {
  const cells = columns.map(([label, name]) => (name === 'head'
    ? html('th', { scope: 'row', role: 'rowheader' })
    : html('td', { class: name, role: 'cell', 'data-label': label })));
  const made = html('tr', { role: 'row' }, ...cells);
  made.update = (item) => update(cells, item);
  return made;
}
