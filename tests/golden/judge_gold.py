# Golden values for tests/unit/eval_judge_task.c and tests/cli/judge.sh: scipy 1.17.1. Writes data/judge_gold.json: scores of people (1 to 5), a judge's that are a noisy permutation of
# them, and their correlations.
import json
import os
import random

import scipy
from scipy import stats

assert scipy.__version__ == "1.17.1", scipy.__version__
draw = random.Random(16)
gold = [draw.choice([1, 2, 2, 3, 3, 3, 4, 4, 5]) for _ in range(60)]
noisy = [min(5, max(1, g + draw.choice([-1, 0, 0, 0, 0, 1, 1]))) for g in gold]
for _ in range(6):
    a, b = draw.randrange(60), draw.randrange(60)
    noisy[a], noisy[b] = noisy[b], noisy[a]
out = {"gold": gold, "noisy": noisy, "pearson": float(stats.pearsonr(gold, noisy)[0]), "spearman": float(stats.spearmanr(gold, noisy)[0]),
       "kendall": float(stats.kendalltau(gold, noisy)[0]), "mae": sum(abs(a - b) for a, b in zip(gold, noisy)) / 60}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "judge_gold.json")
with open(path, "w") as f:
    json.dump(out, f)
    f.write("\n")
print(out)
