// The map: each response a dot, near ones say similar things. Three layers: real responses and
// simulated ones on one canvas (real ones kept as a picture), the pointer's marks on another.

import { cut, node, quote } from "../shared/elements.js";

const MARGIN = 14;
const CELL = 14;
const REACH = 10;
const MANY = 6000;
const FAINT = 0.03;
const REAL_GREY = "rgba(128, 128, 128, 0.5)";

/** How strongly a persona's dots show, by weight per draw: 1 is as drawn. */
export const strength = (ratio) => (ratio <= 0 ? 0 : Math.min(0.95, Math.max(0.05, 0.75 * Math.sqrt(ratio))));
const radius = (ratio) => Math.round(4 * Math.min(5.5, Math.max(1.6, 3 * Math.sqrt(Math.sqrt(ratio))))) / 4;

/** A uniform grid over the screen: finds what is near the pointer without looking at every dot. */
export function grid(px, py, width, height) {
  const columns = Math.max(1, Math.ceil(width / CELL));
  const rows = Math.max(1, Math.ceil(height / CELL));
  const clamp = (value, most) => Math.min(most - 1, Math.max(0, Math.floor(value / CELL)));
  const cells = Int32Array.from(px, (x, i) => clamp(py[i], rows) * columns + clamp(x, columns));
  const starts = new Int32Array(columns * rows + 1);
  for (const cell of cells) starts[cell + 1] += 1;
  for (let c = 0; c < columns * rows; c++) starts[c + 1] += starts[c];
  const order = new Int32Array(px.length);
  const next = starts.slice();
  cells.forEach((cell, i) => { order[next[cell]++] = i; });
  function nearest(x, y, visible) {
    let best = -1;
    let distance = REACH * REACH;
    for (let r = clamp(y - REACH, rows); r <= clamp(y + REACH, rows); r++) {
      for (let c = clamp(x - REACH, columns); c <= clamp(x + REACH, columns); c++) {
        for (let o = starts[r * columns + c]; o < starts[r * columns + c + 1]; o++) {
          const i = order[o];
          const d = (px[i] - x) ** 2 + (py[i] - y) ** 2;
          if (d <= distance && visible(i)) [best, distance] = [i, d];
        }
      }
    }
    return best;
  }
  return { nearest };
}

function sprites() {
  const kept = new Map();
  return (colour, r, scale) => {
    const key = `${colour} ${r} ${scale}`;
    if (!kept.has(key)) {
      const side = Math.ceil(2 * (r + 1) * scale);
      const picture = new OffscreenCanvas(side, side);
      const ink = picture.getContext("2d");
      ink.fillStyle = colour;
      ink.arc(side / 2, side / 2, r * scale, 0, 2 * Math.PI);
      ink.fill();
      kept.set(key, picture);
    }
    return kept.get(key);
  };
}

/** Places in pixels: each axis fills the canvas. */
function placed(xy, width, height) {
  const px = new Float32Array(xy.length / 2);
  const py = new Float32Array(xy.length / 2);
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  xy.forEach((value, i) => {
    low[i % 2] = Math.min(low[i % 2], value);
    high[i % 2] = Math.max(high[i % 2], value);
  });
  const across = (width - 2 * MARGIN) / (high[0] - low[0] || 1);
  const down = (height - 2 * MARGIN) / (high[1] - low[1] || 1);
  for (let i = 0; i < px.length; i++) {
    px[i] = MARGIN + (xy[2 * i] - low[0]) * across;
    py[i] = height - MARGIN - (xy[2 * i + 1] - low[1]) * down;
  }
  return { px, py };
}

export function buildMap({ points, names, colours, counts, total }, on, signal) {
  const canvas = node("canvas", { role: "img", "aria-label": `Map of ${points.length} responses; search or the lists below reach each of them by keyboard` });
  const marks = node("canvas", { class: "mop-marks", "aria-hidden": "true" });
  const tip = node("div", { class: "mop-tip", role: "tooltip", hidden: "" });
  const frame = node("div", { class: "mop-canvas" }, canvas, marks, tip);
  const element = node("section", { class: "mop-card mop-map", "aria-label": "Map" },
    node("h4", {}, "Map of meaning", node("small", {}, "real in grey, simulated in colour")), frame);
  const ink = canvas.getContext("2d");
  const pen = marks.getContext("2d");
  const sprite = sprites();
  const backdrop = node("canvas");
  const many = points.length > MANY;
  let [width, height, scale, px, py, cells] = [0, 0, 1, [], [], null];
  let [weights, chosen, pinned, hovered, corner, box] = [null, null, -1, -1, null, null];

  const ratio = (k) => (counts[k] ? (weights[k] * total) / counts[k] : 0);
  const visible = (i) => (!chosen || chosen[i]) && (i < points.real || strength(ratio(points.persona[i])) > FAINT);

  function stamp(target, indices, colour, r, wanted) {
    const side = Math.max(1.5, 1.1 * r);
    const picture = many ? null : sprite(colour, r, scale);
    const shift = r + 1;
    const extent = picture ? picture.width / scale : 0;
    target.fillStyle = colour;
    for (const i of indices) {
      if (chosen && chosen[i] !== wanted) continue;
      if (many) target.fillRect(px[i] - side / 2, py[i] - side / 2, side, side);
      else target.drawImage(picture, px[i] - shift, py[i] - shift, extent, extent);
    }
  }

  function layer(target, indices, colour, r, opacity) {
    if (chosen) {
      target.globalAlpha = 0.12 * opacity;
      stamp(target, indices, colour, r, 0);
      target.globalAlpha = Math.min(1, 1.5 * opacity);
    } else target.globalAlpha = opacity;
    stamp(target, indices, colour, r, 1);
  }

  function paintBackdrop() {
    [backdrop.width, backdrop.height] = [canvas.width, canvas.height];
    const target = backdrop.getContext("2d");
    target.scale(scale, scale);
    layer(target, Int32Array.from({ length: points.real }, (_, i) => i), REAL_GREY, 2.5, 1);
  }

  function paint() {
    if (!weights || !width) return;
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.globalAlpha = 1;
    ink.clearRect(0, 0, canvas.width, canvas.height);
    ink.drawImage(backdrop, 0, 0);
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    names.forEach((_, k) => {
      const opacity = strength(ratio(k));
      if (opacity > 0) layer(ink, points.groups[k], colours[k], radius(ratio(k)), opacity);
    });
  }

  function ring(i, line) {
    if (i < 0) return;
    pen.beginPath();
    pen.lineWidth = line;
    pen.arc(px[i], py[i], 7, 0, 2 * Math.PI);
    pen.stroke();
  }

  function paintMarks() {
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.strokeStyle = getComputedStyle(frame).color;
    ring(hovered, 1.5);
    ring(pinned, 2.5);
    if (!box) return;
    pen.lineWidth = 1;
    pen.setLineDash([4, 3]);
    pen.strokeRect(...box);
    pen.setLineDash([]);
  }

  function resize() {
    const shown = frame.clientWidth;
    if (!shown || (shown === width && scale === window.devicePixelRatio)) return;
    [width, height, scale] = [shown, frame.clientHeight, window.devicePixelRatio || 1];
    for (const sheet of [canvas, marks]) [sheet.width, sheet.height] = [Math.round(width * scale), Math.round(height * scale)];
    ({ px, py } = placed(points.xy, width, height));
    cells = grid(px, py, width, height);
    paintBackdrop();
    paint();
    paintMarks();
  }

  function showTip(i) {
    tip.hidden = i < 0;
    if (i < 0) return;
    const who = i < points.real ? "real" : names[points.persona[i]];
    tip.replaceChildren(quote("b", "mop-who", cut(who, 60)), quote("span", "mop-words", cut(points.response(i), 160)));
    const right = px[i] > width / 2;
    tip.style.left = right ? "" : `${px[i] + 12}px`;
    tip.style.right = right ? `${width - px[i] + 12}px` : "";
    const low = py[i] > height / 2;
    tip.style.top = low ? "" : `${py[i] + 12}px`;
    tip.style.bottom = low ? `${height - py[i] + 12}px` : "";
  }

  const place = (event) => {
    const { left, top } = marks.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  let queued = null;
  function follow(event) {
    const [x, y] = place(event);
    queued ??= requestAnimationFrame(() => { queued = null; paintMarks(); });
    if (corner) {
      const far = Math.hypot(x - corner[0], y - corner[1]) > 4;
      if (far || box) box = [Math.min(x, corner[0]), Math.min(y, corner[1]), Math.abs(x - corner[0]), Math.abs(y - corner[1])];
      if (box) hovered = -1;
    } else hovered = cells ? cells.nearest(x, y, visible) : -1;
    showTip(hovered);
    marks.style.cursor = hovered >= 0 ? "pointer" : "crosshair";
  }

  function finish(event) {
    if (!corner) return;
    const [x, y] = place(event);
    if (box) {
      const [left, top, wide, high] = box;
      const inside = [];
      for (let i = 0; i < points.length; i++) {
        if (px[i] >= left && px[i] <= left + wide && py[i] >= top && py[i] <= top + high && (i < points.real || visible(i))) inside.push(i);
      }
      on.select(inside);
    } else on.pin(cells.nearest(x, y, visible));
    [corner, box] = [null, null];
    paintMarks();
  }

  marks.addEventListener("pointermove", follow, { signal });
  marks.addEventListener("pointerleave", () => { hovered = -1; showTip(-1); paintMarks(); }, { signal });
  marks.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    corner = place(event);
    marks.setPointerCapture(event.pointerId);
  }, { signal });
  marks.addEventListener("pointerup", finish, { signal });
  marks.addEventListener("pointercancel", () => { [corner, box] = [null, null]; paintMarks(); }, { signal });
  const watcher = new ResizeObserver(resize);
  watcher.observe(frame);
  signal.addEventListener("abort", () => watcher.disconnect());

  return {
    element,
    draw(scene) {
      weights = scene.weights;
      paint();
    },
    /** Show these points and dim the rest; null: show all alike. */
    highlight(indices) {
      chosen = indices && new Uint8Array(points.length);
      indices?.forEach((i) => { chosen[i] = 1; });
      if (width) paintBackdrop();
      paint();
    },
    pin(i) {
      pinned = i;
      paintMarks();
    },
  };
}
