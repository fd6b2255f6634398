# Golden values for tests/unit/eval_ranks.c: scikit-learn 1.9.1, scipy 1.17.1 (rankdata). Writes data/task_ranks.json: a list by case, null = NAN. The cases are made
# of a seeded generator here and there alike (task_labels.py).
import json
import math
import os
import warnings

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics

from task_labels import Draw

warnings.simplefilter("ignore")
CASES = 1000


def case(i):
    """k and items (gains, scores), of 2 to 25 candidates; scores with ties, sometimes all alike."""
    d = Draw(9000 + i)
    k, graded, items = 1 + d.below(8), d.below(2) == 0, []
    for _ in range(1 + d.below(4)):
        n, steps = 2 + d.below(24), [1, 3, 10, 1000000][d.below(4)]
        gains, scores = [], []
        for _ in range(n):
            relevant, grade = d.below(4) == 0, 1 + d.below(3)
            gains.append((grade if graded else 1) if relevant else 0)
            scores.append(-d.below(steps) / 4)
        at = d.below(n)
        gains[at] = max(gains[at], 1)
        items.append((gains, scores))
    return k, items


def mean(v):
    v = [x for x in v if x is not None]
    return float(np.mean(v)) if v else math.nan


def results(k, items):
    rows = []
    for gains, scores in items:
        g, s = np.array(gains), np.array(scores)
        place, n = rankdata(-s, "max"), len(g)
        first = place[g > 0].min()
        precision = metrics.average_precision_score(g > 0, s)
        if 0 < (g > 0).sum() < n:
            assert abs(precision - metrics.label_ranking_average_precision_score([g > 0], [s])) < 1e-12
        hits = lambda c: float(first <= c) if n > c else None
        rows.append([hits(1), hits(3), hits(5), hits(10), hits(k), (place[g > 0] <= k).mean() if n > k else None, 1 / first, precision,
                     metrics.ndcg_score([g], [s]), metrics.ndcg_score([g], [s], k=k)])
    return [mean(v) for v in zip(*rows)]


if __name__ == "__main__":
    rows = [[float("%.12g" % v) if math.isfinite(v) else None for v in results(*case(i))] for i in range(CASES)]
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "task_ranks.json")
    with open(here, "w") as f:
        f.write("[" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "]\n")
    print({j: sum(r[j] is None for r in rows) for j in range(len(rows[0]))}, os.path.getsize(here))
