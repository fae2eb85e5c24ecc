// The map of responses in embedding space, one point each. One canvas has the real responses,
// which are drawn once and copied, and the simulated ones; another has the marks of the pointer.

import { button, node, quotedText, setEnabled, truncate } from "../shared/elements.js";

const MARGIN = 14;
const CELL = 14;
const HOVER_RADIUS = 10;
const MARK_RADIUS = 7;
const MIN_DRAG = 4;
const MANY_POINTS = 6000;
const MIN_OPACITY = 0.03;
const MAX_ZOOM = 32;
const ZOOM_STEP = 1.6;
const REAL_GREY = "rgba(128, 128, 128, 0.5)";

/** The opacity of a persona's points for its weight per draw, which is 1 without reweighting. */
export const opacityOf = (ratio) => (ratio <= 0 ? 0 : Math.min(0.95, Math.max(0.05, 0.75 * Math.sqrt(ratio))));
const radiusOf = (ratio) => Math.round(4 * Math.min(5.5, Math.max(1.6, 3 * Math.sqrt(Math.sqrt(ratio))))) / 4;

/** A uniform grid over the canvas, to find the point nearest to the pointer. */
export function buildGrid(px, py, width, height) {
  const columns = Math.max(1, Math.ceil(width / CELL));
  const rows = Math.max(1, Math.ceil(height / CELL));
  const cellOf = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value / CELL)));
  const cells = Int32Array.from(px, (x, i) => cellOf(py[i], rows) * columns + cellOf(x, columns));
  const starts = new Int32Array(columns * rows + 1);
  for (const cell of cells) starts[cell + 1] += 1;
  for (let c = 0; c < columns * rows; c++) starts[c + 1] += starts[c];
  const order = new Int32Array(px.length);
  const next = starts.slice();
  cells.forEach((cell, i) => { order[next[cell]++] = i; });
  function nearest(x, y, isVisible) {
    let best = -1;
    let distance = HOVER_RADIUS * HOVER_RADIUS;
    for (let r = cellOf(y - HOVER_RADIUS, rows); r <= cellOf(y + HOVER_RADIUS, rows); r++) {
      for (let c = cellOf(x - HOVER_RADIUS, columns); c <= cellOf(x + HOVER_RADIUS, columns); c++) {
        for (let o = starts[r * columns + c]; o < starts[r * columns + c + 1]; o++) {
          const i = order[o];
          const d = (px[i] - x) ** 2 + (py[i] - y) ** 2;
          if (d <= distance && isVisible(i)) [best, distance] = [i, d];
        }
      }
    }
    return best;
  }
  return { nearest };
}

/** Pictures of points, each drawn once. */
function buildSprites() {
  const sprites = new Map();
  return (colour, r, scale) => {
    const key = `${colour} ${r} ${scale}`;
    if (!sprites.has(key)) {
      const side = Math.ceil(2 * (r + 1) * scale);
      const picture = new OffscreenCanvas(side, side);
      const context = picture.getContext("2d");
      context.fillStyle = colour;
      context.arc(side / 2, side / 2, r * scale, 0, 2 * Math.PI);
      context.fill();
      sprites.set(key, picture);
    }
    return sprites.get(key);
  };
}

/** A view of the map: `zoom` times as large, with the point (x, y) in shares at its upper left. */
export const WHOLE = { zoom: 1, x: 0, y: 0 };

/** The view after zooming by a factor around a point of the canvas, in shares of it. */
export function zoomed(view, factor, atX, atY) {
  const zoom = Math.min(MAX_ZOOM, Math.max(1, view.zoom * factor));
  const corner = (from, at) => Math.min(1 - 1 / zoom, Math.max(0, from + at / view.zoom - at / zoom));
  return { zoom, x: corner(view.x, atX), y: corner(view.y, atY) };
}

/** The view moved by shares of the canvas. */
export function panned(view, byX, byY) {
  const corner = (from, by) => Math.min(1 - 1 / view.zoom, Math.max(0, from - by / view.zoom));
  return { zoom: view.zoom, x: corner(view.x, byX), y: corner(view.y, byY) };
}

/** Positions in pixels; each axis fills the canvas of the whole view. */
function toPixels(xy, width, height, view) {
  const px = new Float32Array(xy.length / 2);
  const py = new Float32Array(xy.length / 2);
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  xy.forEach((value, i) => {
    low[i % 2] = Math.min(low[i % 2], value);
    high[i % 2] = Math.max(high[i % 2], value);
  });
  const xScale = (width - 2 * MARGIN) / (high[0] - low[0] || 1);
  const yScale = (height - 2 * MARGIN) / (high[1] - low[1] || 1);
  for (let i = 0; i < px.length; i++) {
    px[i] = view.zoom * (MARGIN + (xy[2 * i] - low[0]) * xScale - view.x * width);
    py[i] = view.zoom * (height - MARGIN - (xy[2 * i + 1] - low[1]) * yScale - view.y * height);
  }
  return { px, py };
}

export function buildMap({ points, names, colours, counts, total }, actions, signal) {
  const canvas = node("canvas", { role: "img", "aria-label": `Map of ${points.length} responses; with the keyboard, use the search and the lists below` });
  const marks = node("canvas", { class: "mop-marks", "aria-hidden": "true" });
  const tip = node("div", { class: "mop-tip", role: "tooltip", hidden: "" });
  const frame = node("div", { class: "mop-canvas" }, canvas, marks, tip);
  const zooms = {
    closer: button("+", "Zoom in; or Ctrl and the mouse wheel", () => zoomTo(zoomed(view, ZOOM_STEP, 0.5, 0.5)), signal),
    farther: button("\u2212", "Zoom out", () => zoomTo(zoomed(view, 1 / ZOOM_STEP, 0.5, 0.5)), signal),
    whole: button("Whole map", "Show all responses", () => zoomTo(WHOLE), signal),
  };
  zooms.closer.setAttribute("aria-label", "Zoom in");
  zooms.farther.setAttribute("aria-label", "Zoom out");
  const element = node("section", { class: "mop-card mop-map", "aria-label": "Map" },
    node("h4", {}, "Responses in embedding space", node("small", {}, "real in grey, simulated in colour"),
      node("span", { class: "mop-zoom" }, ...Object.values(zooms))), frame);
  const pointContext = canvas.getContext("2d");
  const markContext = marks.getContext("2d");
  const sprite = buildSprites();
  const realLayer = node("canvas");
  const hasMany = points.length > MANY_POINTS;
  let [width, height, scale, px, py, grid] = [0, 0, 1, [], [], null];
  let [weights, selected, pinned, hovered, dragStart, box] = [null, null, -1, -1, null, null];
  let [view, panFrom] = [WHOLE, null];

  const weightPerDraw = (k) => (counts[k] ? (weights[k] * total) / counts[k] : 0);
  const isVisible = (i) => (!selected || selected[i]) && (i < points.nReal || opacityOf(weightPerDraw(points.persona[i])) > MIN_OPACITY);

  /** Draw the points that are selected (1) or those that are not (0). */
  function drawPoints(target, indices, colour, r, isSelected) {
    const side = Math.max(1.5, 1.1 * r);
    const picture = hasMany ? null : sprite(colour, r, scale);
    const offset = r + 1;
    const size = picture ? picture.width / scale : 0;
    target.fillStyle = colour;
    for (const i of indices) {
      if (selected && selected[i] !== isSelected) continue;
      if (hasMany) target.fillRect(px[i] - side / 2, py[i] - side / 2, side, side);
      else target.drawImage(picture, px[i] - offset, py[i] - offset, size, size);
    }
  }

  /** Draw points; with a selection, the others are dimmed. */
  function drawLayer(target, indices, colour, r, opacity) {
    if (selected) {
      target.globalAlpha = 0.12 * opacity;
      drawPoints(target, indices, colour, r, 0);
      target.globalAlpha = Math.min(1, 1.5 * opacity);
    } else target.globalAlpha = opacity;
    drawPoints(target, indices, colour, r, 1);
  }

  function drawRealLayer() {
    [realLayer.width, realLayer.height] = [canvas.width, canvas.height];
    const target = realLayer.getContext("2d");
    target.scale(scale, scale);
    drawLayer(target, Int32Array.from({ length: points.nReal }, (_, i) => i), REAL_GREY, 2.5, 1);
  }

  function drawCanvas() {
    if (!weights || !width) return;
    pointContext.setTransform(1, 0, 0, 1, 0, 0);
    pointContext.globalAlpha = 1;
    pointContext.clearRect(0, 0, canvas.width, canvas.height);
    pointContext.drawImage(realLayer, 0, 0);
    pointContext.setTransform(scale, 0, 0, scale, 0, 0);
    names.forEach((_, k) => {
      const ratio = weightPerDraw(k);
      const opacity = opacityOf(ratio);
      if (opacity > 0) drawLayer(pointContext, points.groups[k], colours[k], radiusOf(ratio), opacity);
    });
  }

  function drawRing(i, lineWidth) {
    if (i < 0) return;
    markContext.beginPath();
    markContext.lineWidth = lineWidth;
    markContext.arc(px[i], py[i], MARK_RADIUS, 0, 2 * Math.PI);
    markContext.stroke();
  }

  function drawMarks() {
    markContext.setTransform(scale, 0, 0, scale, 0, 0);
    markContext.clearRect(0, 0, width, height);
    markContext.strokeStyle = getComputedStyle(frame).color;
    drawRing(hovered, 1.5);
    drawRing(pinned, 2.5);
    if (!box) return;
    markContext.lineWidth = 1;
    markContext.setLineDash([4, 3]);
    markContext.strokeRect(...box);
    markContext.setLineDash([]);
  }

  function resize() {
    const available = frame.clientWidth;
    if (!available || (available === width && scale === window.devicePixelRatio)) return;
    [width, height, scale] = [available, frame.clientHeight, window.devicePixelRatio || 1];
    for (const layer of [canvas, marks]) [layer.width, layer.height] = [Math.round(width * scale), Math.round(height * scale)];
    place();
  }

  /** Place all points in the current view, and draw them. */
  function place() {
    ({ px, py } = toPixels(points.xy, width, height, view));
    grid = buildGrid(px, py, width, height);
    drawRealLayer();
    drawCanvas();
    drawMarks();
    setEnabled(zooms.closer, view.zoom < MAX_ZOOM);
    for (const name of ["farther", "whole"]) setEnabled(zooms[name], view.zoom > 1);
  }

  function zoomTo(next) {
    view = next;
    hovered = -1;
    showTip(-1);
    if (width) place();
  }

  function showTip(i) {
    tip.hidden = i < 0;
    if (i < 0) return;
    const source = i < points.nReal ? "real" : names[points.persona[i]];
    tip.replaceChildren(quotedText("b", "mop-source", truncate(source, 60)), quotedText("span", "mop-response", truncate(points.response(i), 160)));
    const isRight = px[i] > width / 2;
    tip.style.left = isRight ? "" : `${px[i] + 12}px`;
    tip.style.right = isRight ? `${width - px[i] + 12}px` : "";
    const isLow = py[i] > height / 2;
    tip.style.top = isLow ? "" : `${py[i] + 12}px`;
    tip.style.bottom = isLow ? `${height - py[i] + 12}px` : "";
  }

  const positionOf = (event) => {
    const { left, top } = marks.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  let frameRequest = null;
  function onMove(event) {
    const [x, y] = positionOf(event);
    frameRequest ??= requestAnimationFrame(() => { frameRequest = null; drawMarks(); });
    if (panFrom) {
      zoomTo(panned(panFrom.view, (x - panFrom.x) / width, (y - panFrom.y) / height));
      return;
    }
    if (dragStart) {
      const isDrag = Math.hypot(x - dragStart[0], y - dragStart[1]) > MIN_DRAG;
      if (isDrag || box) box = [Math.min(x, dragStart[0]), Math.min(y, dragStart[1]), Math.abs(x - dragStart[0]), Math.abs(y - dragStart[1])];
      if (box) hovered = -1;
    } else hovered = grid ? grid.nearest(x, y, isVisible) : -1;
    showTip(hovered);
    marks.style.cursor = hovered >= 0 ? "pointer" : "crosshair";
  }

  function onRelease(event) {
    panFrom = null;
    if (!dragStart) return;
    const [x, y] = positionOf(event);
    if (box) {
      const [left, top, boxWidth, boxHeight] = box;
      const inside = [];
      for (let i = 0; i < points.length; i++) {
        if (px[i] >= left && px[i] <= left + boxWidth && py[i] >= top && py[i] <= top + boxHeight && (i < points.nReal || isVisible(i))) inside.push(i);
      }
      actions.select(inside);
    } else actions.pin(grid.nearest(x, y, isVisible));
    [dragStart, box] = [null, null];
    drawMarks();
  }

  marks.addEventListener("pointermove", onMove, { signal });
  marks.addEventListener("pointerleave", () => { hovered = -1; showTip(-1); drawMarks(); }, { signal });
  marks.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [x, y] = positionOf(event);
    if (event.shiftKey) panFrom = { view, x, y };
    else dragStart = [x, y];
    marks.setPointerCapture(event.pointerId);
  }, { signal });
  marks.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const [x, y] = positionOf(event);
    zoomTo(zoomed(view, event.deltaY < 0 ? 1.2 : 1 / 1.2, x / width, y / height));
  }, { signal });
  marks.addEventListener("pointerup", onRelease, { signal });
  marks.addEventListener("pointercancel", () => { [dragStart, box, panFrom] = [null, null, null]; drawMarks(); }, { signal });
  const observer = new ResizeObserver(resize);
  observer.observe(frame);
  signal.addEventListener("abort", () => observer.disconnect());

  return {
    element,
    draw(scene) {
      weights = scene.weights;
      drawCanvas();
    },
    /** Highlight these points and dim the others; null shows all points normally. */
    highlight(indices) {
      selected = indices && new Uint8Array(points.length);
      indices?.forEach((i) => { selected[i] = 1; });
      if (width) drawRealLayer();
      drawCanvas();
    },
    pin(i) {
      pinned = i;
      drawMarks();
    },
  };
}
