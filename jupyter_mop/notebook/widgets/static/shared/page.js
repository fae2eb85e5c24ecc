// Run a widget in a page without kernel and network. KEY identifies the widget in the page.

const container = document.querySelector(`[data-mop="${KEY}"]:not([data-live])`);
const decodeBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

function putBuffer(state, path, data) {
  const parent = path.slice(0, -1).reduce((part, name) => part[name], state);
  parent[path.at(-1)] = new DataView(decodeBase64(data).buffer);
}

/** A stand-in for a widget's model; nothing is saved or sent. */
function buildModel(state) {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      for (const listener of listeners[`change:${name}`] ?? []) listener();
    },
    on: (event, listener) => { (listeners[event] ??= []).push(listener); },
    off: (event, listener) => { listeners[event] = (listeners[event] ?? []).filter((other) => other !== listener); },
    save_changes() {},
    send() {},
  };
}

async function start(packed) {
  const stream = new Blob([decodeBase64(packed)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { script, style, state, buffers } = await new Response(stream).json();
  for (const [path, data] of buffers) putBuffer(state, path, data);
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const sheet = document.createElement("style");
  sheet.textContent = style;
  const el = document.createElement("div");
  await widget().render({ model: buildModel(state), el, signal: new AbortController().signal });
  container.replaceChildren(sheet, el);
}

if (container) {
  container.dataset.live = "";
  start(document.querySelector(`[data-mop-packed="${KEY}"]`).textContent);
}
