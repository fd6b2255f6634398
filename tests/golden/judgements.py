# Golden values for tests/unit/eval_judgements.c: krippendorff 0.9.0, scikit-learn 1.9.1, choix 0.4.1, scipy 1.17.1, numpy 2.4.
# Writes data/judgements.json: lists of cases by name, inputs beside what these programs say. null = NAN.
import itertools
import json
import math
import os
import warnings

import choix
import krippendorff
import numpy as np
from scipy import stats
from sklearn.metrics import cohen_kappa_score

warnings.simplefilter("ignore")
R = np.random.default_rng(16)


def out(x):
    x = float(x)
    return float("%.13g" % x) if math.isfinite(x) else None


# ---- agreement: [[items][raters], share, kappa x 3, alpha x 4] ----

def share(x):
    shares = []
    for row in x:
        pairs = list(itertools.combinations(row[~np.isnan(row)], 2))
        if pairs:
            shares.append(np.mean([a == b for a, b in pairs]))
    return np.mean(shares) if shares else math.nan


def kappa(x, weights, scale):
    """Mean over pairs of raters; weights by distance on the whole scale of equal steps."""
    found = []
    for a, b in itertools.combinations(range(x.shape[1]), 2):
        both = x[~np.isnan(x[:, a]) & ~np.isnan(x[:, b])][:, [a, b]]
        if len(both):
            place = np.rint((both - scale[0]) / (scale[1] - scale[0])).astype(int)
            found.append(cohen_kappa_score(place[:, 0], place[:, 1], weights=weights, labels=range(len(scale))))
    found = [k for k in found if math.isfinite(k)]
    return np.mean(found) if found else math.nan


def alpha(x, level):
    if level == "ratio" and np.nanmin(x, initial=0) < 0:
        return math.nan
    paired = x[(~np.isnan(x)).sum(axis=1) > 1]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        return math.nan
    return krippendorff.alpha(reliability_data=x.T, level_of_measurement=level)


def agreement():
    rows = []
    fixed = [[[1, 1], [1, 1]], [[3, 3]], [[3, 4]], [[1], [2]], [[None, 1], [2, None]], [[None, None]], [], [[1, 2], [1, 2]], [[1, 1, 1], [2, 2, 2]], [[0, 0], [0, 0], [0, 5]],
             [[1, None, None], [2, 3, None], [None, None, 4]], [[1, 2, None], [2, 2, None], [None, None, None], [None, None, 4]]]
    for i in range(300):
        if i < len(fixed):
            items = len(fixed[i])
            x = np.array(fixed[i], dtype=float).reshape(items, -1 if items else 2)
            scale = np.arange(0, 11)
        else:
            items, raters, steps = R.integers(1, 25), R.integers(2, 6), R.integers(2, 11)
            first, step = R.choice([0, 1, -3, 1000]), R.choice([1, 0.5, 2])
            scale = first + step * np.arange(steps)
            truth, near = R.integers(0, steps, (items, 1)), R.uniform()
            place = np.where(R.uniform(size=(items, raters)) < near, truth, R.integers(0, steps, (items, raters)))
            if R.uniform() < 0.1:
                place[:, 0] = 1
            x = scale[place].astype(float)
            x[R.uniform(size=x.shape) < R.choice([0, 0, 0.2, 0.7])] = math.nan
        levels = ["nominal", "ordinal", "interval", "ratio"]
        rows.append([[[out(v) for v in row] for row in x], x.shape[1], out(share(x))] + [out(kappa(x, w, scale)) for w in (None, "linear", "quadratic")]
                    + [out(alpha(x, level)) for level in levels])
    return rows


# ---- ratings: [wins[n][n], ratings[n]] ----

def connected(wins):
    reach = (wins > 0) | np.eye(len(wins), dtype=bool)
    for k in range(len(wins)):
        reach |= np.outer(reach[:, k], reach[k])
    return reach.all()


def ratings():
    rows = []
    while len(rows) < 60:
        n = int(R.integers(2, 13))
        strength = R.normal(size=n) * R.choice([0.3, 1, 2])
        wins, play = np.zeros((n, n)), R.choice([0.25, 0.6, 1])
        for a, b in itertools.combinations(range(n), 2):
            if R.uniform() > play:
                continue
            games = int(R.choice([1, 2, 5, 40, 1000]))  # unbalanced
            won, ties = R.binomial(games, 1 / (1 + math.exp(strength[b] - strength[a]))), R.choice([0, 1, 3])
            wins[a, b] += won + ties / 2
            wins[b, a] += games - won + ties / 2
        if connected(wins):
            rows.append([wins.tolist(), [out(v) for v in choix.ilsr_pairwise_dense(wins, alpha=0.0, max_iter=10000, tol=1e-11)]])
    return rows


# ---- correlation: [a[n], b[n], pearson, spearman, kendall, pairs] ----

def correlation():
    rows = []
    for i in range(200):
        n, near = int(R.integers(0, 30)), R.uniform(-1, 1)
        a = R.normal(size=n)
        b = near * a + (1 - abs(near)) * R.normal(size=n)
        if R.uniform() < 0.6:
            a, b = np.round(a), np.round(2 * b)
        a, b = a + R.choice([0, 1e4]), b * R.choice([1, 1e-3])
        if R.uniform() < 0.1:
            (a if R.uniform() < 0.5 else b)[:] = 3
        a[R.uniform(size=n) < 0.1] = math.nan
        b[R.uniform(size=n) < R.choice([0, 0.5])] = math.nan
        a, b = [np.array([math.nan if v is None else v for v in map(out, x)], dtype=float) for x in (a, b)]
        both = ~np.isnan(a) & ~np.isnan(b)
        x, y = a[both], b[both]
        varies = len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0
        found = [f(x, y)[0] if varies else math.nan for f in (stats.pearsonr, stats.spearmanr, stats.kendalltau)]
        rows.append([[out(v) for v in a], [out(v) for v in b]] + [out(v) for v in found] + [int(both.sum())])
    return rows


if __name__ == "__main__":
    cases = {"agreement": agreement(), "ratings": ratings(), "correlation": correlation()}
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "judgements.json")
    with open(here, "w") as f:
        f.write("{" + ",\n".join(json.dumps(k) + ": [\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in v) + "]" for k, v in cases.items()) + "}\n")
    print({k: len(v) for k, v in cases.items()}, os.path.getsize(here))
