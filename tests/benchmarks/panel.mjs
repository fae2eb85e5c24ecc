// Prints the milliseconds of one update of the panel, all figures with their derivatives, at
// K = 20 personas, 32 axes, 100 clusters and 50 bins: median and 95th percentile of 500 updates.

import { metrics } from "../../jupyter_mop/notebook/widgets/static/metrics/mixture_gradients.js";
import { randomStatistics, seeded, simplexPoint } from "../notebook/widgets/javascript/tools.mjs";

const UPDATES = 500;
const WARM_UP = 200;
const random = seeded(0);
const statistics = randomStatistics(random, { personas: 20, axes: 32, clusters: 100, bins: 50, draws: 100 });

const times = Array.from({ length: WARM_UP + UPDATES }, () => {
  const weights = simplexPoint(random, 20);
  const start = performance.now();
  metrics(statistics, weights);
  return performance.now() - start;
}).slice(WARM_UP).sort((a, b) => a - b);

const at = (share) => times[Math.floor(share * UPDATES)].toFixed(3);
console.log(`panel update, K=20 r=32 C=100 B=50: median ${at(0.5)} ms, 95th percentile ${at(0.95)} ms`);
