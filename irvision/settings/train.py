"""All settings of a training run: options of `ira train`, and what `config.yaml` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from irtheory.intersection.choices import Activation
from irtheory.runs.files import InputError
from irtheory.runs.folder import RunFiles, register_run_files
from irtheory.runs.options import (
    Interval,
    Option,
    at_least,
    between,
    check_ranges,
    declared,
    flag_of,
)
from irtheory.trees.choices import Criterion
from irvision.settings.data import (
    DATA,
    BeetleCount,
    DataOptions,
    FolderLayout,
    KeptTogether,
    SampleUnit,
)

if TYPE_CHECKING:
    from irtheory.intersection.weights import Weights

Features = Literal["plain", "pmg"]
Optimiser = Literal["adamw", "sgd"]
Schedule = Literal["constant", "cosine"]
Recipe = Literal["fast", "paper", "pmg"]
Normalise = Literal["backbone", "half"]
Precision = Literal["bf16", "fp32"]
Balance = Literal["none", "weights", "sampler"]
Keep = Literal["last", "best"]
# What may differ where a run goes on: where things are, and how the machine computes.
MOVABLE = ("data_dir", "weights", "accumulate", "compile", "precision", "deterministic")
# Patches a side on which PMG's stages 0, 1 and 2 learn: fine ones for the shallow stage.
GRIDS = (8, 4, 2)
# Headings of the options in --help.
TRAINING, NETWORK, IMAGES, MACHINE = "Training", "Network", "Images", "Machine"
FROZEN = "--recipe fast --freeze-backbone"
SHARE_BELOW_1 = Interval(0, 1, high_open=True)


def _by(fast: Any, paper: Any, pmg: Any, **frozen: Any) -> Mapping[str, Any]:
    """Defaults under the three recipes, and under the fast one with a `frozen` backbone."""
    behind = {FROZEN: frozen["frozen"]} if frozen else {}
    return {"--recipe fast": fast, **behind, "--recipe paper": paper, "--recipe pmg": pmg}


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How to train on images. Each field is the option of `ira train` of the same name.

    None is a value of its own in three fields: no folder, as for drawn images (`data_dir`), one
    training image in 200, or half of a small class (`min_samples_leaf`), and no stopping rule
    (`drops`).
    """

    dataset: Annotated[
        str,
        Option(
            "Data set: beetles, aYahoo, aPascal, AwA2, CUB, or a folder with a folder of images "
            "for each class.",
            DATA,
        ),
    ]
    data_dir: Annotated[
        str | None,
        Option("Folder that holds the data set.", DATA, default="$IRA_DATA or ./data"),
    ] = None
    unit: SampleUnit = DataOptions.unit
    layout: FolderLayout = DataOptions.layout
    group: KeptTogether = DataOptions.group
    validation: Annotated[
        float,
        Option("Share of the training images held out for validation.", DATA, between(0, 0.5)),
    ] = DataOptions.validation
    split_seed: Annotated[
        int, Option("Seed of the split, where a data set has no official one.", DATA, at_least(0))
    ] = DataOptions.split_seed
    beetles: BeetleCount = DataOptions.beetles
    method: Annotated[
        str,
        Option(
            "Method: quantised, quantised+l1, quantised+dt, paper or ira.",
            TRAINING,
            defaults=_by("ira", "paper", "ira"),
        ),
    ]
    recipe: Annotated[
        Recipe,
        Option(
            "Where the settings come from that are not given: a quick schedule (fast), the "
            "paper's, or that of PMG.",
            TRAINING,
        ),
    ] = "fast"
    backbone: Annotated[
        str,
        Option(
            "Backbone: resnet50, resnet18, resnet10 or mobilenet_v2.",
            NETWORK,
            default="resnet50; resnet10 for beetles or without a GPU",
            defaults={"--recipe paper": "resnet50", "--recipe pmg": "resnet50"},
        ),
    ]
    weights: Annotated[
        str,
        Option(
            "Initial weights of the backbone: imagenet (published, downloaded once), none, or a "
            ".pth, .safetensors or .npz file.",
            NETWORK,
            default="imagenet where published; none for beetles",
        ),
    ]
    freeze_backbone: Annotated[
        bool,
        Option("Compute the backbone's features once and train only what follows it.", NETWORK),
    ] = False
    features: Annotated[
        Features,
        Option(
            "Layers of F after the backbone: mean and one linear layer (plain), or three fused "
            "stages as in PMG.",
            NETWORK,
            defaults=_by("plain", "pmg", "pmg"),
        ),
    ]
    dim: Annotated[
        int, Option("Number of codes d.", NETWORK, at_least(1), defaults=_by(128, 512, 512))
    ]
    bits: Annotated[int, Option("Bits r of a code.", NETWORK, between(1, 8), defaults=_by(1, 2, 2))]
    depth: Annotated[
        int,
        Option(
            "Largest depth d_max of the tree T.",
            NETWORK,
            at_least(1),
            default="⌈log2 k⌉ + 2 for k classes",
        ),
    ]
    activation: Annotated[
        Activation,
        Option(
            "Activation at the end of F, before the quantiser.",
            NETWORK,
            defaults=_by("sigmoid", "relu", "relu"),
        ),
    ]
    dropout: Annotated[
        float,
        Option(
            "Dropout rate before the last layer of F.",
            NETWORK,
            SHARE_BELOW_1,
            defaults=_by(0.3, 0.0, 0.0, frozen=0.5),
        ),
    ]
    hidden: Annotated[
        int,
        Option(
            "Units of the hidden layer of F behind a frozen backbone.",
            NETWORK,
            at_least(1),
            defaults=_by(512, 512, 512, frozen=1024),
        ),
    ]
    head_hidden: Annotated[int, Option("Units of the hidden layer of G.", NETWORK, at_least(1))] = (
        512
    )
    criterion: Annotated[
        Criterion, Option("What a split of a greedy tree improves most.", TRAINING)
    ] = "entropy"
    min_samples_leaf: Annotated[
        int | None,
        Option(
            "Fewest training images in a leaf of T.",
            TRAINING,
            at_least(1),
            default="one in 200, at most half of a small class; 1 with --recipe paper or pmg",
            defaults=_by(None, 1, 1),
        ),
    ]
    lambda_label: Annotated[
        float,
        Option(
            "Weight λ1 of the label loss L[G, y].",
            TRAINING,
            Interval(0, low_open=True),
            default="the method's",
        ),
    ]
    lambda_tree: Annotated[
        float,
        Option(
            "Weight λ2 of the loss toward the tree, L[G, T].",
            TRAINING,
            at_least(0),
            default="the method's",
        ),
    ]
    lambda_sparsity: Annotated[
        float,
        Option(
            "Weight λ3 of the L1 norm of the codes.",
            TRAINING,
            at_least(0),
            default="the method's",
        ),
    ]
    lambda_route: Annotated[
        float,
        Option(
            "Weight λ4 of L[T, y] with gradients through the tests of T.",
            TRAINING,
            at_least(0),
            default="the method's",
        ),
    ]
    label_smoothing: Annotated[
        float, Option("Share of the uniform distribution in the labels.", TRAINING, SHARE_BELOW_1)
    ] = 0.0
    balance: Annotated[
        Balance,
        Option(
            "Classes of unequal size: as they are (none), with losses weighed by class (weights), "
            "or drawn equally often (sampler).",
            TRAINING,
        ),
    ] = "none"
    epochs: Annotated[
        int,
        Option(
            "Largest number of epochs.",
            TRAINING,
            at_least(1),
            defaults=_by(24, 100, 200, frozen=14),
        ),
    ]
    batch_size: Annotated[
        int,
        Option(
            "Images in a batch, of all processes together.",
            TRAINING,
            at_least(2),
            defaults=_by(64, 64, 16),
        ),
    ]
    optimiser: Annotated[
        Optimiser,
        Option("Optimiser for F and G.", TRAINING, defaults=_by("adamw", "sgd", "sgd")),
    ]
    learning_rate: Annotated[
        float,
        Option(
            "Learning rate of everything but the backbone.",
            TRAINING,
            at_least(0),
            defaults=_by(2e-3, 1e-4, 2e-3, frozen=1e-3),
        ),
    ]
    weight_decay: Annotated[
        float,
        Option(
            "Weight decay of the optimiser.",
            TRAINING,
            at_least(0),
            defaults=_by(0.01, 5e-4, 5e-4),
        ),
    ]
    momentum: Annotated[float, Option("Momentum of SGD.", TRAINING, SHARE_BELOW_1)] = 0.9
    schedule: Annotated[
        Schedule,
        Option(
            "How the learning rates change: not at all, or along a cosine to 0.",
            TRAINING,
            defaults=_by("cosine", "constant", "cosine"),
        ),
    ]
    backbone_factor: Annotated[
        float,
        Option(
            "Learning rate of the backbone as a share of --learning-rate.",
            TRAINING,
            at_least(0),
            default="0.1 from trained weights, else 1; 1 with --recipe paper",
            defaults={"--recipe paper": 1.0, "--recipe pmg": 0.1},
        ),
    ]
    drops: Annotated[
        int | None,
        Option(
            "Stop after this many epochs whose validation accuracy fell.",
            TRAINING,
            at_least(1),
            defaults=_by(None, 2, None),
        ),
    ]
    keep: Annotated[
        Keep,
        Option(
            "Which epoch the result is from: the last one, or the one whose T is most accurate on "
            "the validation images (best).",
            TRAINING,
        ),
    ] = "last"
    progressive: Annotated[
        bool,
        Option(
            "Take PMG's three steps on shuffled patches before each step.",
            TRAINING,
            defaults=_by(False, False, True),
            negatable=True,
        ),
    ]
    resize: Annotated[
        int,
        Option(
            "Side in pixels of the squares that images are decoded to.",
            IMAGES,
            at_least(1),
            default="by recipe and machine",
        ),
    ]
    crop: Annotated[
        int,
        Option(
            "Side in pixels of the random crops.",
            IMAGES,
            at_least(1),
            default="by recipe and machine",
        ),
    ]
    padding: Annotated[
        int,
        Option(
            "Black pixels added around a square before it is cropped.",
            IMAGES,
            at_least(0),
            default="0; beetles 4; 8 with --recipe paper or pmg",
        ),
    ]
    flip: Annotated[float, Option("Probability of a mirrored crop.", IMAGES, between(0, 1))] = 0.5
    normalise: Annotated[
        Normalise,
        Option(
            "Mean and standard deviation of the colours: the backbone's, or 0.5 for both.",
            IMAGES,
            defaults=_by("backbone", "half", "half"),
        ),
    ]
    accumulate: Annotated[
        int,
        Option(
            "Number of parts in which a batch passes through F; more parts need less memory.",
            MACHINE,
            at_least(1),
        ),
    ] = 1
    compile: Annotated[bool, Option("Compile F with torch.compile.", MACHINE, negatable=True)] = (
        False
    )
    precision: Annotated[
        Precision,
        Option(
            "Arithmetic of the forward passes.",
            MACHINE,
            default="bf16 on GPUs that support it, else fp32",
        ),
    ] = "fp32"
    deterministic: Annotated[
        bool, Option("Use deterministic algorithms, which are slower on a GPU.", MACHINE)
    ] = False
    max_bad: Annotated[
        float,
        Option("Share of images that may fail to decode.", DATA, between(0, 1)),
    ] = 0.01
    seed: Annotated[
        int,
        Option("Seed of every random draw but the split's.", TRAINING, between(0, 2**32 - 1)),
    ] = 0

    def __post_init__(self) -> None:
        """Check ranges and combinations; InputError names the option."""
        check_ranges(self)
        if self.crop > self.resize:
            raise InputError(f"--crop: expected at most --resize {self.resize}, found {self.crop}")
        if self.drops is not None and not self.validation:
            raise InputError("--drops: expected a --validation share above 0, found 0")
        if self.keep == "best" and not self.validation:
            raise InputError("--keep best: expected a --validation share above 0, found 0")
        if self.freeze_backbone and self.features != "plain":
            raise InputError(f"--freeze-backbone: expected --features plain, found {self.features}")
        if self.progressive and self.features != "pmg":
            raise InputError(f"--progressive: expected --features pmg, found {self.features}")
        if self.progressive and self.crop < GRIDS[0]:
            raise InputError(f"--crop: expected at least {GRIDS[0]} px, found {self.crop}")
        if self.freeze_backbone and self.flip not in (0, 0.5):
            raise InputError(
                "--flip: expected 0 or 0.5, as a frozen backbone sees each image once, or once "
                f"as it is and once mirrored; found {self.flip}"
            )

    @property
    def lambdas(self) -> Weights:
        """λ of every term."""
        from irtheory.intersection.weights import Weights

        return Weights(self.lambda_label, self.lambda_tree, self.lambda_sparsity, self.lambda_route)

    @property
    def images_at_once(self) -> int:
        """Images that pass through F together; this many also fit where nothing is learned."""
        return max(self.batch_size // self.accumulate, 1)

    @property
    def data(self) -> DataOptions:
        """Which samples, and how they are split."""
        return data_options(vars(self))


def data_options(given: Mapping[str, Any]) -> DataOptions:
    """Which samples, from values of fields of `TrainSettings`; the defaults for the rest."""
    named = {field.name: given[field.name] for field in fields(DataOptions) if field.name in given}
    folder = named.get("data_dir")
    return DataOptions(**{**named, "data_dir": None if folder is None else Path(folder)})


register_run_files(
    "train",
    RunFiles(
        "metrics.jsonl weights.safetensors tree.json key.txt leaves.csv classes.json result.json "
        "samples.csv gallery.safetensors model.onnx README.md evaluation.json attributes.csv "
        "tests.csv predictions.csv report.html report-against-*.html "
        "predictions.safetensors confusion-G.csv confusion-T.csv evaluation-*.json "
        "attributes-*.csv tests-*.csv predictions-*.csv predictions-*.safetensors "
        "confusion-G-*.csv confusion-T-*.csv *.svg *.png "
        "predicted-*.csv "
        "checkpoints/*.pt checkpoints/.checkpoint-*.tmp codes/epoch-*.npz tensorboard/events.*",
        folders="checkpoints codes tensorboard",
        resume="--resume {folder} alone",
        # What `ira name` writes for people.
        by_people="names.csv",
    ),
)


def defaults_under(condition: str) -> dict[str, Any]:
    """The defaults that are declared for a condition, such as "--recipe paper"."""
    return {
        name: found.option.defaults[condition]
        for name, found in declared(TrainSettings).items()
        if found.option.defaults is not None and condition in found.option.defaults
    }


def option(name: str) -> str:
    """The option of `ira train` that sets a field."""
    return flag_of(TrainSettings, name)
