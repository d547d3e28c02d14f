"""Algorithm 1 as a scikit-learn estimator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.base import ClassNamePrefixFeaturesOutMixin as NamedColumns
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from irtheory.checks import check_whole
from irtheory.intersection.arrays import ArraySettings, fit_arrays
from irtheory.intersection.column_cuts import cuts_of
from irtheory.intersection.engine import Intersection
from irtheory.intersection.epoch import Epoch
from irtheory.intersection.methods import Method, method_named
from irtheory.intersection.step import TERMS
from irtheory.runs.console import Pulse, make_console, print_plain, progress_bar
from irtheory.trees.choices import Criterion
from irtheory.trees.export import classes_named, test_words
from irtheory.trees.keys.key import ends_of_counts, key_of
from irtheory.trees.keys.text import as_text
from irtheory.trees.short_tree import class_counts, shorten
from irtheory.trees.writing import one_line, told_apart

# Untyped: its annotations allow no array-likes, and omit that it returns a pair if y is given.
_validate: Any = validate_data
# The paper stops at the second epoch whose validation accuracy falls.
DROPS = 2
# Whole numbers up to here are exact in double precision.
EXACT = 2**53
OnEpoch = Callable[[Epoch, Intersection], None]


class IntersectionClassifier(ClassifierMixin, NamedColumns, TransformerMixin, BaseEstimator):
    """Learns discrete codes of X from which a network G and a shallow tree T predict the class.

    G∘q∘F is trained toward the labels and toward T, which is grown on the codes q(F(x)) after
    every epoch (Algorithm 1). `predict` uses G, `predict_tree` uses T, and `transform` returns the
    codes. Columns are standardised internally, whatever their units and offsets; binary columns
    need no preparation. A warning names the column of a cell that is too far out to count as it is
    (`irtheory.intersection.scaling`). Equal settings, data and `random_state` give equal results on
    CPU.

    Args:
        n_features: d, number of codes to learn; "ira" drops those that come out constant.
        bits: r, from 1 to 8; codes are 0 … 2^r − 1.
        max_depth: largest number of tests on a path of T; None is ⌈log2 k⌉ + 2 for k classes.
        method: a name of `irtheory.intersection.methods.METHODS`; "paper" is Algorithm 1 as
            printed.
        lambda_label, lambda_tree, lambda_sparsity, lambda_route: λ1 … λ4, the weights of the
            four losses (`irtheory.intersection.weights.Weights`); None is the method's own.
        hidden: widths of the hidden layers of F; with () every code is a threshold of one linear
            function of the columns.
        epochs: number of passes over the data; None is enough for about 1500 steps, at least 20.
        batch_size: samples in a step; None is 64, on small sets 1/16 of the samples but 8 or more.
        learning_rate: initial learning rate of AdamW; a cosine schedule lowers it to 0.
        weight_decay: weight decay of AdamW.
        dropout: dropout rate of the inputs of every layer of F.
        criterion: split criterion of T, "entropy" or "squared_error".
        min_samples_leaf: smallest number of samples in a leaf of T.
        early_stopping: hold out a validation set and stop at the second epoch at which the
            accuracy of G on it falls, with F, G and T of the epoch before.
        validation_fraction: share of samples held out for early stopping; stratified if every
            class has two samples or more.
        random_state: seed, or a random state that a seed is drawn from.
        device: torch device, such as "cpu" or "cuda".
        verbose: 1 shows progress, 0 is silent.

    Attributes:
        classes_: class labels, ascending [k].
        tree_: T, a `Tree` over the columns of `transform` whose values are class probabilities
            in the order of `classes_`; it holds the names of both.
        classes_named_: the labels that some leaf of T names; `predict_tree` gives no others, which
            a smaller `min_samples_leaf` or a larger `max_depth` may change.
        kept_: which of the d codes are the columns of `transform`, ascending.
        network_: G∘q∘F, a torch module from X to logits.
        history_: the record of every epoch (`irtheory.intersection.epoch.Epoch`).
        n_iter_: number of epochs trained.
        n_features_in_, feature_names_in_: number of columns of X, and their names if any.
    """

    def __init__(
        self,
        n_features: int = 64,
        bits: int = 1,
        max_depth: int | None = None,
        method: str = "ira",
        lambda_label: float | None = None,
        lambda_tree: float | None = None,
        lambda_sparsity: float | None = None,
        lambda_route: float | None = None,
        hidden: Sequence[int] = (64,),
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        dropout: float = 0.0,
        criterion: Criterion = "entropy",
        min_samples_leaf: int = 1,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
        verbose: int = 0,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.n_features, self.bits, self.max_depth = n_features, bits, max_depth
        self.method = method
        self.lambda_label, self.lambda_tree = lambda_label, lambda_tree
        self.lambda_sparsity, self.lambda_route = lambda_sparsity, lambda_route
        self.hidden, self.dropout = hidden, dropout
        self.epochs, self.batch_size = epochs, batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.criterion: Criterion = criterion
        self.min_samples_leaf = min_samples_leaf
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.random_state, self.device, self.verbose = random_state, device, verbose

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Train F, G and T on X [m, p] and class labels y [m].

        Raises:
            ValueError: X is not a finite numeric array, whole numbers in it are too large to be
                told apart, y does not hold one label for each row or has only one class, or a
                setting is out of range.
            FloatingPointError: training diverged.
        """
        _check_exact(X)
        x, labels = _validate(self, X, y, dtype=np.float64, ensure_min_samples=2)
        settings, method = self._settings(len(x)), self._method()
        check_classification_targets(labels)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected two classes or more, found one class, {labels[0]!r}")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        train, validation = np.arange(len(x)), None
        if self.early_stopping:
            train, rows = held_out(encoded, self.validation_fraction, seed)
            validation = x[rows], encoded[rows]
        settings, k = replace(settings, seed=seed), len(self.classes_)
        samples = x[train], encoded[train]
        with _without_warning(method), _progress(self.verbose, self.epochs) as on_epoch:
            try:
                fitted = fit_arrays(*samples, k, method, settings, validation, on_epoch)
            except FloatingPointError as error:
                rate = f"a learning_rate below {settings.learning_rate:g} may help"
                raise FloatingPointError(f"{error}; {rate}") from error
        self._fitted, self._binary = fitted, settings.bits == 1
        codes, _ = fitted.apply(samples[0])
        self._counts = class_counts(fitted.tree, codes, samples[1], k)
        short = shorten(fitted.tree, self._counts.sum(axis=1) > 0)
        self._width = samples[0].shape[1]
        self._cuts = cuts_of(short, np.asarray(codes), samples[0])
        self.network_, self.kept_ = fitted.network, fitted.kept
        columns, classes = self.get_feature_names_out(), map(str, self.classes_)
        self.tree_ = replace(fitted.tree, feature_names=columns, class_names=tuple(classes))
        self.classes_named_ = self.classes_[list(classes_named(fitted.tree))]
        if self.verbose and (named := len(self.classes_named_)) < k:
            print_plain(make_console(), f"T can name {named} of {k} classes")
        self.history_, self.n_iter_ = fitted.records, len(fitted.records)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Float[np.ndarray, "m k"]:
        """Class probabilities by G for X [m, p], in the order of `classes_`: [m, k]."""
        outputs = self._apply(X)[1].astype(np.float64)
        return outputs / outputs.sum(axis=1, keepdims=True)

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Class labels [m] that G predicts for X [m, p]."""
        return self._likeliest(self._apply(X)[1])

    def predict_tree(self, X: npt.ArrayLike) -> np.ndarray:
        """Class labels [m] that T predicts for X [m, p]."""
        codes, _ = self._apply(X)
        return self._likeliest(self.tree_.predict(codes))

    def score_tree(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Accuracy of T on X [m, p] with labels y [m]; `score` is the accuracy of G."""
        return float(accuracy_score(y, self.predict_tree(X), sample_weight=sample_weight))

    def transform(self, X: npt.ArrayLike) -> Int[np.ndarray, "m kept"]:
        """The kept codes of X [m, p], whole numbers 0 … 2^bits − 1: int64 [m, kept]."""
        return self._apply(X)[0].astype(np.int64)

    def get_feature_names_out(self, input_features: Iterable[str] | None = None) -> np.ndarray:
        """Names of the columns of `transform`, such as "code 3".

        Raises:
            ValueError: `input_features` differ from the column names of the data in `fit`.
        """
        super().get_feature_names_out(input_features)  # raises for other names
        return np.array([f"code {code}" for code in self.kept_], dtype=object)

    def key(self, feature_names: Iterable[str] | None = None) -> str:
        """T as a dichotomous key: at each leaf its class, and how many training samples have it.

        Branches of one class are merged, and those that no training sample reaches are left out.
        T tests codes, each a function of all columns. Where the cut of a single column comes close
        to a test (right for 90% of either side, among the training samples there), the test is
        told by it, with the code in brackets; the code alone decides.

        Args:
            feature_names: names of the columns of `transform`, to tell every test by; by default
                those of `get_feature_names_out`, behind the columns of X.

        Raises:
            ValueError: a wrong number of names.
        """
        names = self.get_feature_names_out() if feature_names is None else feature_names
        short = shorten(self.tree_, self._counts.sum(axis=1) > 0)
        counts = self._counts[short.nodes]
        ends = ends_of_counts(
            short.tree, counts, [str(label) for label in self.classes_], "training samples"
        )
        words = test_words(short.tree, names, self._binary)
        if feature_names is None:
            words = {node: self._told(node, *sides) for node, sides in words.items()}
        return as_text(key_of(short.tree, words, ends))

    def _told(self, node: int, low: str, high: str) -> tuple[str, str]:
        """Both sides of a test by the column that comes close to its code, if one does."""
        cut = self._cuts.get(node)
        if cut is None:
            return low, high
        given = getattr(self, "feature_names_in_", None)
        columns = [f"x{column}" for column in range(self._width)]
        if given is not None:
            columns = told_apart([one_line(str(name)) for name in given], "column")
        return f"{cut.words(columns, False)} ({low})", f"{cut.words(columns, True)} ({high})"

    def _settings(self, samples: int) -> ArraySettings:
        """All settings but λ, checked; the seed is drawn later."""
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise ValueError(f"early_stopping: expected a bool, found {self.early_stopping!r}")
        batch = min(64, max(8, samples // 16)) if self.batch_size is None else self.batch_size
        return ArraySettings(
            dim=check_whole("n_features", self.n_features, 1),
            bits=self.bits,
            max_depth=self.max_depth,
            hidden=_widths(self.hidden),
            criterion=self.criterion,
            min_samples_leaf=self.min_samples_leaf,
            epochs=self.epochs,
            batch_size=batch,
            learning_rate=_number("learning_rate", self.learning_rate),
            weight_decay=_number("weight_decay", self.weight_decay),
            dropout=_number("dropout", self.dropout),
            drops=DROPS if self.early_stopping else None,
            device=self.device,
        )

    def _method(self) -> Method:
        """The named method with the λ that are not None."""
        lambdas = {name: getattr(self, f"lambda_{name}") for name in TERMS}
        weights = {n: _number(f"lambda_{n}", v) for n, v in lambdas.items() if v is not None}
        return method_named(self.method).with_weights(weights)

    def _apply(self, X: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Kept codes of X and the probabilities of G."""
        check_is_fitted(self)
        _check_exact(X)
        return self._fitted.apply(_validate(self, X, dtype=np.float64, reset=False))

    def _likeliest(self, probabilities: Float[np.ndarray, "m k"]) -> np.ndarray:
        return self.classes_[probabilities.argmax(axis=1)]

    @property
    def _n_features_out(self) -> int:
        return len(self.kept_)

    def __sklearn_tags__(self) -> Any:
        """Declare that `transform` returns integers, whatever type X has."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


def _check_exact(X: Any) -> None:
    """Refuse whole numbers that double precision would merge, naming the column."""
    names = list(X.columns) if hasattr(X, "columns") and hasattr(X, "__getitem__") else None
    columns = [X] if names is None else [X[name] for name in names]
    for number, column in enumerate(columns):
        try:
            found = np.asarray(column)
        except ValueError:  # rows of unequal length, which scikit-learn refuses
            return
        if found.dtype.kind not in "iu" or not found.size:
            continue
        merged = (found > EXACT) | (found < -EXACT)
        if merged.any():
            at = np.argwhere(merged)[0]
            where = at[1] if names is None and len(at) > 1 else number
            label = where if names is None else repr(names[number])
            raise ValueError(
                f"X: expected whole numbers up to 2^53, which double precision tells apart, found "
                f"{found[tuple(at)]} in column {label}; subtract an offset from the column"
            )


def held_out(
    labels: Int[np.ndarray, " m"], fraction: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " held"]]:
    """Rows to train on and rows held out, stratified if every class has samples for both.

    Raises:
        ValueError: the fraction is not above 0, or leaves no samples to train on.
    """
    expected = _number("validation_fraction", fraction) * len(labels)
    if not 0 < expected <= len(labels) - 1:
        found = f"{fraction!r} of {len(labels)} samples"
        raise ValueError(f"validation_fraction: expected a share that leaves some, found {found}")
    size, counts = math.ceil(expected), np.bincount(labels)
    both = counts.min() >= 2 and len(counts) <= min(size, len(labels) - size)
    groups, rows = labels if both else None, np.arange(len(labels))
    train, rest = train_test_split(rows, test_size=size, stratify=groups, random_state=seed)
    return np.asarray(train), np.asarray(rest)


@contextmanager
def _without_warning(method: Method) -> Iterator[None]:
    """Suppress the warning about constant codes if the method drops them anyway."""
    with warnings.catch_warnings():
        if method.prune:
            warnings.filterwarnings("ignore", message=".*codes are constant")
        yield


@contextmanager
def _progress(verbose: int, epochs: int | None) -> Iterator[OnEpoch | None]:
    """A function that shows every epoch; None if `verbose` is 0."""
    if not verbose:
        yield None
        return
    console = make_console()
    with progress_bar(console) as bar:
        pulse = Pulse(console, bar, "fit", epochs)

        def show(record: Epoch, engine: Intersection) -> None:
            accuracies = f"G {record.accuracy_g:.3f}, T {record.accuracy_t:.3f}"
            pulse.show(f"epoch {record.epoch}, accuracy {accuracies}", record.epoch)

        yield show


def _widths(hidden: Any) -> tuple[int, ...]:
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise ValueError(f"hidden: expected a tuple of widths, found {hidden!r}")
    return tuple(check_whole("hidden", width, 1) for width in hidden)


def _number(name: str, found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float | np.number):
        raise ValueError(f"{name}: expected a number, found {found!r}")
    return float(found)
