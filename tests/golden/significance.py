# Golden values for tests/unit/eval_significance.c: scipy 1.17.1, numpy.
# Writes data/statistics.json: lists of cases by name. null = NAN. Holm and McNemar have no function in scipy: they are written here by their
# definitions, McNemar on scipy.stats.binomtest and chi2.
import json
import math
import os
import warnings

import numpy as np
from scipy import special, stats

warnings.simplefilter("ignore")
R = np.random.default_rng(13)


def out(x):
    x = float(x)
    return x if math.isfinite(x) else None


def special_cases():
    rows = []
    for _ in range(150):
        a, b = 10 ** R.uniform(-2, 6, 2)
        x = R.choice([R.uniform(), 10 ** R.uniform(-6, 0), stats.beta.rvs(a, b, random_state=R) if min(a, b) > 0.1 else 0.5])
        rows.append(["beta", a, b, x, out(special.betainc(a, b, x))])
    for _ in range(150):
        a = 10 ** R.uniform(-2, 6)
        x = R.choice([10 ** R.uniform(-4, 6), a + R.normal() * math.sqrt(a), a * R.uniform(0.5, 1.5)])
        x = abs(x)
        rows.append(["gamma", a, x, out(special.gammainc(a, x)), out(special.gammaincc(a, x))])
    for _ in range(80):
        t, df = R.normal() * 10 ** R.uniform(-3, 1.5), 10 ** R.uniform(0, 6)
        rows.append(["student", t, df, out(2 * stats.t.sf(abs(t), df)), 0])
        x, df = 10 ** R.uniform(-3, 2.5), float(R.integers(1, 60))
        rows.append(["chi2", x, df, out(stats.chi2.sf(x, df)), 0])
        n = int(R.integers(0, 400))
        k, p = int(R.integers(-1, n + 2)), R.uniform()
        rows.append(["binomial", k, n, p, out(stats.binom.cdf(k, n, p))])
    return rows


def mcnemar():
    rows = []
    pairs = [(0, 0), (1, 0), (0, 1), (3, 3), (12, 12), (13, 12), (0, 24), (0, 25), (25, 0), (12, 13), (400, 400), (401, 400), (10000, 9000)]
    pairs += [tuple(int(v) for v in R.integers(0, 16, 2)) for _ in range(60)] + [tuple(int(v) for v in R.integers(0, 200, 2)) for _ in range(40)]
    for b, c in pairs:
        n = b + c
        if b == c:
            p = 1
        elif n < 25:
            p = min(1, stats.binomtest(min(b, c), n, 0.5).pvalue)
        else:
            p = stats.chi2.sf((abs(b - c) - 1) ** 2 / n, 1)
        rows.append([b, c, out(p)])
    return rows


def wilcoxon():
    rows = []
    lists = [[0], [1], [-1], [0, 0, 0], [0, 1], [1, 1, 1], [1, -1], [0] * 10 + [2, 3], [1] * 14, [-2] * 60, [0] * 13 + [1], [0] * 60 + [1, -3]]
    for n in list(range(1, 30)) + [49, 50, 51, 52, 100]:
        lists.append(list(np.round(R.normal(0.3, 1, n), 6)))                # no ties
        lists.append([int(v) for v in R.integers(-3, 5, n)])                 # ties, zeros
        lists.append(list(np.round(R.normal(0.2, 1, n), 1)))                # a few
        lists.append(list(R.permutation(np.arange(1, n + 1)) * R.choice([-1, 1, 1], n) * 1.0))
    for d in lists:
        d = [float(v) for v in d]
        if not any(d) and (len(d) == 1 or len(d) > 13):
            continue  # an error or NAN there: ours is 1
        r = stats.wilcoxon(d)
        rows.append([d, out(r.statistic), out(r.pvalue)])
    return rows


def holm():
    rows = []
    lists = [[], [0.04], [0, 0, 0], [1, 1], [0.01, None, 0.04, 0.03], [None], [0.05, 0.05, 0.05]]
    lists += [[round(float(v), 5) for v in R.uniform(0, 1, R.integers(1, 12)) ** 3] for _ in range(60)]
    for p in lists:
        known = sorted((v, i) for i, v in enumerate(p) if v is not None)
        adjusted, most = list(p), 0
        for k, (v, i) in enumerate(known):
            most = max(most, min(1, (len(known) - k) * v))
            adjusted[i] = most
        rows.append([p, adjusted])
    return rows


def welch():
    rows = []
    sizes = [(2, 2), (2, 50), (3, 3), (400, 7)] + [tuple(int(v) for v in R.integers(2, 40, 2)) for _ in range(60)]
    pairs = [(R.normal(0, 1, n), R.normal(R.normal(), 10 ** R.uniform(-1, 1), m)) for n, m in sizes]
    pairs += [([1, 1, 1], [1, 2, 3]), ([5, 5], [1, 2]), ([1], [1, 2]), ([], [1, 2]), ([1, 1], [1, 1]), ([1, 1], [2, 2])]
    for a, b in pairs:
        a, b = [float(round(v, 5)) for v in a], [float(round(v, 5)) for v in b]
        if len(a) < 2 or len(b) < 2 or np.var(a) + np.var(b) == 0:
            rows.append([a, b, None, None, None, None, None])
            continue
        r = stats.ttest_ind(a, b, equal_var=False)
        n, m = len(a), len(b)
        d = (np.mean(a) - np.mean(b)) / math.sqrt(((n - 1) * np.var(a, ddof=1) + (m - 1) * np.var(b, ddof=1)) / (n + m - 2))
        rows.append([a, b, out(r.statistic), out(r.df), out(r.pvalue), out(d), out(d * (1 - 3 / (4 * (n + m) - 9)))])
    return rows


# Exact paired permutation tests of sums of clusters, ties and zeros included.
def permutation():
    rows = []
    for n in list(range(2, 13)) * 6:
        d = [R.normal(0.4, 1, n).round(4), R.integers(-3, 5, n), np.zeros(n), R.choice([-1, 1, 1, 0], n)][int(R.choice([0, 0, 1, 1, 2, 3]))].astype(float)
        r = stats.permutation_test((d,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True)
        rows.append([[float(v) for v in d], out(r.pvalue)])
    return rows


def quantile():
    rows = []
    for n in [1, 2, 3, 39, 40, 41, 1000]:
        x = sorted(round(float(v), 4) for v in R.normal(0, 1, n))
        for q in [0, 0.025, 0.5, 0.975, 1]:
            rows.append([x, q, out(np.quantile(x, q))])
    return rows[:30] + rows[-3:-2]


everything = {"special": special_cases(), "mcnemar": mcnemar(), "wilcoxon": wilcoxon(), "holm": holm(), "welch": welch(),
              "permutation": permutation(), "quantile": quantile()}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "statistics.json")
with open(path, "w") as f:
    f.write("{\n" + ",\n".join(json.dumps(k) + ": [\n" + ",\n".join(json.dumps(r) for r in v) + "\n]" for k, v in everything.items()) + "\n}\n")
print({k: len(v) for k, v in everything.items()})
