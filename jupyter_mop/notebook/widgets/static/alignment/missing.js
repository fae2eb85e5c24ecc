// Missing clusters: those with a larger share of the real responses than of the simulated ones.

import { cellShares } from "../metrics/context_groups.js";
import { button, node, updateText } from "../shared/elements.js";
import { buildItem, onItemClick } from "./response_list.js";

const MAX_CLUSTERS = 6;
const N_EXAMPLES = 3;
const MIN_GAP = 1e-4;
// The order changes only when the weights settle, so that the list does not jump while one reads.
const SORTED_AFTER = 150;

/** Target share minus simulated share of each cluster. */
export function clusterGaps(statistics, personaWeights) {
  const { target, personas } = statistics.clusters;
  const weights = cellShares(statistics, personaWeights);
  return Array.from(target, (share, c) =>
    share - weights.reduce((total, v, k) => total + v * personas[k * target.length + c], 0));
}

/** The real responses of a cluster that are closest to its centre on the map. */
function examples({ xy, cluster, nReal, hasResponse }, c) {
  const members = [];
  for (let i = 0; i < nReal; i++) if (cluster[i] === c) members.push(i);
  const centre = [0, 1].map((axis) => members.reduce((total, i) => total + xy[2 * i + axis], 0) / members.length);
  const distance = (i) => Math.hypot(xy[2 * i] - centre[0], xy[2 * i + 1] - centre[1]);
  return members.filter(hasResponse).sort((a, b) => distance(a) - distance(b)).slice(0, N_EXAMPLES);
}

export function buildMissing(data, actions, signal) {
  const { points, statistics } = data;
  const formatShare = (value) => `${(100 * value).toFixed(1)}%`;
  const built = new Map();
  const list = node("div", { class: "mop-clusters" });
  const none = node("p", {}, "None: no cluster has a smaller share of the simulated responses than of the real ones.");
  const element = node("section", { class: "mop-card mop-missing", "aria-label": "Missing clusters" },
    node("h4", {}, "Missing clusters", node("small", {}, "kinds of responses that are rarer here than among real people, largest gap first")), none, list);
  onItemClick(list, actions.pin, signal);
  let shown = "";
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));

  function build(c) {
    const members = Array.from(points.cluster).reduce((all, own, i) => (own === c && all.push(i), all), []);
    const simulated = node("i", { class: "mop-simulated" });
    const real = node("i", { class: "mop-real" });
    const text = node("span", {});
    const head = button(node("div", { class: "mop-bars" }, real, simulated), "Show this cluster in the map",
      () => actions.choose({ indices: members, about: "in this cluster" }), signal);
    head.className = "mop-cluster-head";
    head.append(text);
    const items = examples(points, c).map((i) => buildItem(data, i));
    return { simulated, real, text, element: node("div", { class: "mop-cluster", "data-cluster": c }, head, ...items) };
  }

  return {
    element,
    draw({ weights }) {
      const { target } = statistics.clusters;
      const gaps = clusterGaps(statistics, weights);
      const largest = gaps.map((gap, c) => [gap, c]).filter(([gap]) => gap > MIN_GAP)
        .sort((a, b) => b[0] - a[0]).slice(0, MAX_CLUSTERS).map(([, c]) => c);
      const top = Math.max(...target);
      for (const c of largest) {
        if (!built.has(c)) built.set(c, build(c));
        const { simulated, real, text } = built.get(c);
        const share = Math.max(0, target[c] - gaps[c]);
        simulated.style.setProperty("--at", share / top);
        real.style.setProperty("--at", target[c] / top);
        updateText(text, `real ${formatShare(target[c])}, simulated ${formatShare(share)}`);
      }
      none.hidden = largest.length > 0;
      const arrange = () => {
        shown = largest.join();
        list.replaceChildren(...largest.map((c) => built.get(c).element));
      };
      clearTimeout(timer);
      if (!shown) arrange();
      else if (shown !== largest.join()) timer = setTimeout(arrange, SORTED_AFTER);
    },
  };
}
