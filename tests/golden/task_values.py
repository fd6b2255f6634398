# Golden values for tests/unit/eval_values.c: scikit-learn 1.9.1, scipy 1.17.1; intraclass correlations are pingouin 0.5's formulas (reliability.py). Writes
# data/task_values.json: a list by case, null = NAN. The cases are made of a seeded generator here and there alike (task_labels.py).
import json
import math
import os
import warnings

import numpy as np
from scipy import stats
from sklearn import metrics

from reliability import icc
from task_labels import Draw

warnings.simplefilter("ignore")
CASES = 1000


def case(i):
    """Pairs (y, f): of a scale 0 ... 10 or any numbers, with ties, constant sides and answers that were not read (NAN)."""
    d = Draw(5000 + i)
    n, whole, offset = 1 + d.below(40), d.below(2) == 0, [0, 0, 1000, -3][d.below(4)]
    flat, unread, near = d.below(16), d.below(3) == 0, d.unit()
    rows = []
    for _ in range(n):
        y, f, gone = d.unit() * 10, d.unit() * 10, d.below(5) == 0
        f = near * y + (1 - near) * f
        if whole:
            y, f = math.floor(y), math.floor(f)
        if flat == 0:
            y = 4
        if flat == 1:
            f = 4
        rows.append((y + offset, math.nan if unread and gone else f + offset))
    return rows


def results(rows):
    y, f = np.array([r for r in rows if not math.isnan(r[1])]).reshape(-1, 2).T
    nmape = np.mean([1 if math.isnan(f) else abs(f - y) / 10 for y, f in rows])
    if not len(y):
        return [math.nan] * 4 + [nmape] + [math.nan] * 6
    varies, both = np.ptp(y) > 0, np.ptp(y) > 0 and np.ptp(f) > 0
    coefficients = icc(np.stack([y, f], axis=1))[:3] if len(y) > 1 and np.ptp([y, f]) > 0 else [math.nan] * 3
    return [metrics.mean_absolute_error(y, f), metrics.mean_squared_error(y, f), metrics.root_mean_squared_error(y, f),
            metrics.r2_score(y, f) if varies else math.nan, nmape, stats.pearsonr(y, f)[0] if both else math.nan,
            stats.spearmanr(y, f)[0] if both else math.nan, stats.kendalltau(y, f)[0] if both else math.nan] + coefficients


if __name__ == "__main__":
    rows = [[float("%.12g" % v) if math.isfinite(v) else None for v in results(case(i))] for i in range(CASES)]
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "task_values.json")
    with open(here, "w") as f:
        f.write("[" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "]\n")
    print({j: sum(r[j] is None for r in rows) for j in range(len(rows[0]))}, os.path.getsize(here))
