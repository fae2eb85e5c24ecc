// What the real population says and the simulation does not: clusters, the widest gap first.

import { button, node, say } from "../shared/elements.js";
import { buildItem, listen } from "./response_list.js";

const CLUSTERS = 6;
const EXAMPLES = 3;
// The order follows when the weights rest: what is read does not jump while a slider moves.
const AT_REST = 150;

/** Target share minus simulated share of each cluster. */
export function gaps({ clusters: { target, personas } }, weights) {
  return Array.from(target, (share, c) =>
    share - weights.reduce((total, v, k) => total + v * personas[k * target.length + c], 0));
}

/** Three real responses of a cluster, the ones nearest to its middle on the map. */
function examples({ xy, cluster, real, isTold }, c) {
  const own = [];
  for (let i = 0; i < real; i++) if (cluster[i] === c) own.push(i);
  const mean = [0, 1].map((axis) => own.reduce((total, i) => total + xy[2 * i + axis], 0) / own.length);
  const far = (i) => Math.hypot(xy[2 * i] - mean[0], xy[2 * i + 1] - mean[1]);
  return own.filter(isTold).sort((a, b) => far(a) - far(b)).slice(0, EXAMPLES);
}

export function buildMissing(data, on, signal) {
  const { points, statistics } = data;
  const share = (value) => `${(100 * value).toFixed(1)}%`;
  const built = new Map();
  const list = node("div", { class: "mop-gaps" });
  const none = node("p", {}, "Nothing: no cluster of real responses has less weight here than it has among the real ones.");
  const element = node("section", { class: "mop-card mop-missing", "aria-label": "What is missing" },
    node("h4", {}, "What is missing", node("small", {}, "what real people say more than this simulation, widest gap first")), none, list);
  listen(list, on.pin, signal);
  let shown = "";
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));

  function build(c) {
    const members = Array.from(points.cluster).reduce((all, own, i) => (own === c && all.push(i), all), []);
    const bar = node("i", { class: "mop-simulated" });
    const real = node("i", { class: "mop-real" });
    const text = node("span", {});
    const head = button(node("div", { class: "mop-bars" }, real, bar), "Show this cluster in the map",
      () => on.choose({ indices: members, about: "in this cluster" }), signal);
    head.className = "mop-gap";
    head.append(text);
    const quotes = examples(points, c).map((i) => buildItem(data, i));
    return { bar, real, text, element: node("div", { class: "mop-cluster", "data-cluster": c }, head, ...quotes) };
  }

  return {
    element,
    draw({ weights }) {
      const { target } = statistics.clusters;
      const gap = gaps(statistics, weights);
      const worst = gap.map((value, c) => [value, c]).filter(([value]) => value > 1e-4)
        .sort((a, b) => b[0] - a[0]).slice(0, CLUSTERS).map(([, c]) => c);
      const top = Math.max(...target);
      for (const c of worst) {
        if (!built.has(c)) built.set(c, build(c));
        const { bar, real, text } = built.get(c);
        bar.style.setProperty("--at", Math.max(0, target[c] - gap[c]) / top);
        real.style.setProperty("--at", target[c] / top);
        say(text, `real ${share(target[c])}, simulated ${share(Math.max(0, target[c] - gap[c]))}`);
      }
      none.hidden = worst.length > 0;
      const arrange = () => {
        shown = worst.join();
        list.replaceChildren(...worst.map((c) => built.get(c).element));
      };
      clearTimeout(timer);
      if (!shown) arrange();
      else if (shown !== worst.join()) timer = setTimeout(arrange, AT_REST);
    },
  };
}
