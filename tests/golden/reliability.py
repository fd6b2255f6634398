# Golden values for tests/unit/eval_reliability.c: numpy. Writes data/reliability.json: lists of cases by name; null =
# NAN. alpha and the intraclass correlations are pingouin 0.5's formulas (cronbach_alpha with nan_policy "listwise", intraclass_corr), written with numpy; omega
# is known beforehand: of samples whose correlations are those of one factor exactly, and of an optimiser of its own for those that are not.
import json
import math
import os

import numpy as np

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


def answers(n, k):
    x = np.clip(np.round(3 + R.normal(size=(n, 1)) * R.uniform(0, 1.2) + R.normal(size=(n, k)) * R.uniform(0.2, 1.2) + R.normal(size=(1, k)) * R.uniform(0, 1)), 1, 5)
    if R.uniform() < 0.3:
        x = np.round(x + R.normal(size=(n, k)) * 0.3, 2)
    if R.uniform() < 0.3:
        x[R.integers(0, n), R.integers(0, k)] = math.nan
    return x


def tables():
    rows = []
    cases = [answers(int(R.integers(2, 30)), int(R.integers(2, 12))) for _ in range(200)]
    cases += [np.full((5, 3), 3.0), np.full((4, 3), 0.1), np.tile(np.array([[1.0, 2, 3]]), (6, 1)), np.tile(np.array([[1.0], [2], [5]]), (1, 4)),
              np.array([[1.0, 2.0]]), np.array([[1.0], [2.0], [4.0]]), np.array([[1.0, 5.0], [5.0, 1.0], [2.0, 4.0]]), np.full((3, 3), math.nan)]
    for x in cases:
        y = x[~np.isnan(x).any(axis=1)]
        flat = y.size == 0 or np.ptp(y) == 0
        rows.append([table(x), out(alpha(x)), [out(v) for v in ([math.nan] * 6 if flat else icc(x))]])
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


here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "reliability.json")
with open(here, "w") as f:
    parts = []
    for name, rows in (("tables", tables()), ("pearson", pearson()), ("omega", omega())):
        parts.append('"%s": [\n%s\n]' % (name, ",\n".join(json.dumps(row) for row in rows)))
    f.write("{\n" + ",\n".join(parts) + "\n}\n")
