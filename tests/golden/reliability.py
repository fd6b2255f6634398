# Golden values for tests/unit/eval_reliability.c: numpy 2.4, scipy 1.17, pingouin 0.5.5, and psych 2.2.9 of R
# (Debian 12's r-cran-psych and r-cran-gparotation). Writes data/reliability.json: lists of cases by name; null = NAN.
#   tables: alpha of pingouin.cronbach_alpha (nan_policy listwise), the six intraclass correlations of pingouin.intraclass_corr. Where pingouin takes no table of
#     this size, or warns that nothing varies, its formulas written with numpy (`alpha`, `icc`).
#   omega: known beforehand: of samples whose correlations are those of one factor exactly, and of an optimiser of its own for those that are not.
#   psych: omega.tot of psych::omega(x, nfactors = 1).
#   distances: scipy's jensenshannon (base 2) and wasserstein_distance.
import json
import math
import os
import subprocess
import tempfile
import warnings

import numpy as np
import pandas as pd
import pingouin as pg
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

R = np.random.default_rng(31)


def out(x):
    x = float(x)
    return x if math.isfinite(x) else None


def table(x):
    return [[None if np.isnan(v) else float(v) for v in row] for row in x]


def alpha(x):
    x = x[~np.isnan(x).any(axis=1)]
    k = x.shape[1]
    if k < 2 or len(x) < 2:
        return math.nan
    c = np.cov(x.T)
    return k / (k - 1) * (1 - np.trace(c) / c.sum()) if np.ptp(x.sum(axis=1)) > 0 else math.nan


def div(a, b):
    return a / b if abs(b) > 1e-25 else math.nan


def icc(x):
    x = x[~np.isnan(x).any(axis=1)]
    n, k = x.shape
    if n < 2 or k < 2:
        return [math.nan] * 6
    rows, columns, mean = x.mean(axis=1, keepdims=True), x.mean(axis=0, keepdims=True), x.mean()
    msb = k * ((rows - mean) ** 2).sum() / (n - 1)
    msw = ((x - rows) ** 2).sum() / (n * (k - 1))
    msj = n * ((columns - mean) ** 2).sum() / (k - 1)
    mse = ((x - rows - columns + mean) ** 2).sum() / ((n - 1) * (k - 1))
    return [div(msb - msw, msb + (k - 1) * msw), div(msb - mse, msb + (k - 1) * mse + k * (msj - mse) / n), div(msb - mse, msb + (k - 1) * mse),
            div(msb - msw, msb), div(msb - mse, msb + (msj - mse) / n), div(msb - mse, msb)]


def real_alpha(x):
    """pingouin's own, None where it does not say."""
    y = x[~np.isnan(x).any(axis=1)]
    if x.shape[1] < 2 or len(y) < 2 or np.ptp(y.sum(axis=1)) == 0:
        return None
    return pg.cronbach_alpha(data=pd.DataFrame(x), nan_policy="listwise")[0]


def real_icc(x):
    y = x[~np.isnan(x).any(axis=1)]
    n, k = y.shape
    if n < 2 or k < 2 or np.ptp(y) == 0 or not np.isfinite(icc(x)).all():
        return None
    long = pd.DataFrame({"target": np.repeat(np.arange(n), k), "rater": np.tile(np.arange(k), n), "score": y.ravel()})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            got = pg.intraclass_corr(data=long, targets="target", raters="rater", ratings="score").set_index("Type")["ICC"]
    except Exception:  # too few numbers
        return None
    return [got[name] for name in ("ICC1", "ICC2", "ICC3", "ICC1k", "ICC2k", "ICC3k")]


def answers(n, k):
    x = np.clip(np.round(3 + R.normal(size=(n, 1)) * R.uniform(0, 1.2) + R.normal(size=(n, k)) * R.uniform(0.2, 1.2) + R.normal(size=(1, k)) * R.uniform(0, 1)), 1, 5)
    if R.uniform() < 0.3:
        x = np.round(x + R.normal(size=(n, k)) * 0.3, 2)
    if R.uniform() < 0.3:
        x[R.integers(0, n), R.integers(0, k)] = math.nan
    return x


def tables():
    rows, real = [], [0, 0]
    cases = [answers(int(R.integers(2, 30)), int(R.integers(2, 12))) for _ in range(200)]
    cases += [np.full((5, 3), 3.0), np.full((4, 3), 0.1), np.tile(np.array([[1.0, 2, 3]]), (6, 1)), np.tile(np.array([[1.0], [2], [5]]), (1, 4)),
              np.array([[1.0, 2.0]]), np.array([[1.0], [2.0], [4.0]]), np.array([[1.0, 5.0], [5.0, 1.0], [2.0, 4.0]]), np.full((3, 3), math.nan)]
    for x in cases:
        y = x[~np.isnan(x).any(axis=1)]
        flat = y.size == 0 or np.ptp(y) == 0
        a, c = real_alpha(x), real_icc(x)
        real[0] += a is not None
        real[1] += c is not None
        a = alpha(x) if a is None else a
        c = ([math.nan] * 6 if flat else icc(x)) if c is None else c
        rows.append([table(x), out(a), [out(v) for v in c]])
    print("pingouin's own: alpha of %d, ICC of %d of %d tables" % (real[0], real[1], len(cases)))
    return rows


def pearson():
    rows = []
    for _ in range(60):
        a = R.normal(size=int(R.integers(2, 20)))
        b = a * R.uniform(-1, 1) + R.normal(size=len(a)) * 10 ** R.uniform(-8, 1)
        rows.append([a.tolist(), b.tolist(), out(np.corrcoef(a, b)[0, 1])])
    rows.append([[1.0, 1, 1], [1.0, 2, 3], None])
    rows.append([[0.1] * 7, [0.1] * 7, None])
    rows.append([[2.0], [1.0], None])
    return rows


def sample(correlations, n):
    """n rows whose correlations are these exactly."""
    k = len(correlations)
    z = R.normal(size=(n, k))
    z -= z.mean(axis=0)
    q = np.linalg.qr(z)[0] * math.sqrt(n)
    return q @ np.linalg.cholesky(correlations).T * R.uniform(0.5, 2, k) + R.uniform(1, 5, k)


def minres(r):
    """Loadings by gradient descent of Newton's kind on the sum of squared residuals off the diagonal: not how ours are found."""
    k = len(r)
    values, vectors = np.linalg.eigh(r)
    l = vectors[:, -1] * math.sqrt(values[-1]) * 0.9
    l *= np.sign(l.sum())
    off = 1 - np.eye(k)
    for _ in range(200):
        e = (np.outer(l, l) - r) * off
        g = 2 * e @ l
        h = 2 * (np.diag((off * l ** 2).sum(axis=1)) + off * (2 * np.outer(l, l) - r))
        step = np.linalg.solve(h, g)
        l = l - step
        if np.abs(step).max() < 1e-14:
            break
    return l


def omega():
    rows = []
    while len(rows) < 40:
        k = int(R.integers(3, 12))
        l = R.uniform(0.2, 0.9, k)
        r = np.outer(l, l)
        np.fill_diagonal(r, 1)
        rows.append([table(sample(r, int(R.integers(k + 2, 25)))), l.sum() ** 2 / (l.sum() ** 2 + (1 - l ** 2).sum()), 1e-9])
    while len(rows) < 80:
        k = int(R.integers(4, 10))
        l = R.uniform(0.3, 0.8, k)
        x = R.normal(size=(int(R.integers(30, 60)), 1)) * l + R.normal(size=(1, k)) + np.zeros((1, k))
        x = x + R.normal(size=x.shape) * np.sqrt(1 - l ** 2)
        x = np.round(x, 3)
        r = np.corrcoef(x.T)
        got = minres(r)
        if np.abs(got).max() > 0.97 or (got < 0.05).any():
            continue
        rows.append([table(x), 1 - (1 - got ** 2).sum() / r.sum(), 1e-8])
    flat = R.normal(size=(9, 4))
    flat[:, 2] = 0.1
    rows.append([table(flat), None, 0])
    rows.append([table(R.normal(size=(9, 2))), None, 0])
    return rows


def psych():
    """Tables of one factor and some noise: what R's psych says of them."""
    tables = []
    while len(tables) < 40:
        n, k = int(R.integers(25, 90)), int(R.integers(3, 11))
        l = R.uniform(0.35, 0.85, k)
        x = R.normal(size=(n, 1)) * l + R.normal(size=(n, k)) * np.sqrt(1 - l ** 2)
        if R.uniform() < 0.5:
            x = np.clip(np.round(3 + 1.2 * x), 1, 5)
        tables.append(np.round(x, 4))
    with tempfile.TemporaryDirectory() as folder:
        for i, x in enumerate(tables):
            np.savetxt("%s/%d.csv" % (folder, i), x, delimiter=",")
        script = 'suppressMessages(library(psych)); for (i in 0:%d) { x <- as.matrix(read.csv(sprintf("%s/%%d.csv", i), header = FALSE)); o <- suppressMessages(' \
                 'suppressWarnings(omega(x, nfactors = 1, plot = FALSE))); cat(sprintf("%%.12f\\n", o$omega.tot)) }' % (len(tables) - 1, folder)
        said = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout.split()
    return [[table(x), float(v)] for x, v in zip(tables, said, strict=True)]


def distances():
    rows = []
    for i in range(120):
        n = int(R.integers(2, 12))
        p, q = R.dirichlet(np.full(n, 0.5)) * R.uniform(0.1, 9), R.dirichlet(np.full(n, 2.0)) * R.uniform(0.1, 9)
        if i % 4 == 0:
            p[R.integers(0, n)] = 0
        if i % 10 == 0:
            q = p * 3
        if i % 10 == 1:
            p, q = np.eye(n)[0], np.eye(n)[n - 1]
        if not p.sum() or not q.sum():
            p[0] = q[0] = 1
        js = jensenshannon(p, q, base=2)  # the root of a rounding below nothing is NaN there
        rows.append([p.tolist(), q.tolist(), 0.0 if np.isnan(js) else float(js), float(wasserstein_distance(range(n), range(n), p, q))])
    rows.append([[0.0, 0.0], [1.0, 2.0], None, None])
    rows.append([[0.5, 0.5], [0.0, 0.0], None, None])
    return rows


here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "reliability.json")
parts = []
for name, rows in (("tables", tables()), ("pearson", pearson()), ("omega", omega()), ("psych", psych()), ("distances", distances())):
    parts.append('"%s": [\n%s\n]' % (name, ",\n".join(json.dumps(row) for row in rows)))
with open(here, "w") as f:
    f.write("{\n" + ",\n".join(parts) + "\n}\n")
