// Bring a panel to life on a page of its own: no kernel, no network. KEY names what is to be shown.

const still = document.querySelector(`[data-mop="${KEY}"]:not([data-live])`);

function hold(state, path, data) {
  const inner = path.slice(0, -1).reduce((part, name) => part[name], state);
  inner[path.at(-1)] = new DataView(Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0)).buffer);
}

/** What a widget needs of its model; nothing is saved or sent, there is nobody to send it to. */
function keep(state) {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      for (const listener of listeners[`change:${name}`] ?? []) listener();
    },
    on: (event, listener) => { (listeners[event] ??= []).push(listener); },
    off: (event, listener) => { listeners[event] = (listeners[event] ?? []).filter((kept) => kept !== listener); },
    save_changes() {},
    send() {},
  };
}

async function open(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { script, style, state, buffers } = await new Response(stream).json();
  for (const [path, data] of buffers) hold(state, path, data);
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const sheet = document.createElement("style");
  sheet.textContent = style;
  const el = document.createElement("div");
  await widget().render({ model: keep(state), el, signal: new AbortController().signal });
  still.replaceChildren(sheet, el);
}

if (still) {
  still.dataset.live = "";
  open(document.querySelector(`[data-mop-packed="${KEY}"]`).textContent);
}
