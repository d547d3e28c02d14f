"""Options on networks and training; parameters carry the names of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

NET, HOW = "Network", "Training"

Method = Annotated[
    str | None,
    typer.Option(
        help="quantised, quantised+l1, quantised+dt, paper or ira.",
        show_default="ira",
        rich_help_panel=HOW,
    ),
]
Recipe = Annotated[
    Literal["fast", "paper", "pmg"] | None,
    typer.Option(
        help="Where settings come from that are not given: a quick schedule, the paper's, PMG's.",
        show_default="fast",
        rich_help_panel=HOW,
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        help="resnet50, resnet18, resnet10 or mobilenet_v2.",
        show_default="resnet50; beetles, or without a GPU: resnet10",
        rich_help_panel=NET,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="imagenet (published, fetched once), none, or a .pth, .safetensors or .npz file.",
        show_default="imagenet where there are any",
        rich_help_panel=NET,
    ),
]
FreezeBackbone = Annotated[
    bool | None,
    typer.Option(
        "--freeze-backbone",
        help="Compute the backbone's features once, train what follows.",
        rich_help_panel=NET,
    ),
]
Features = Annotated[
    Literal["plain", "pmg"] | None,
    typer.Option(
        help="F after the backbone: mean, linear; or three stages fused, as in PMG.",
        show_default="plain; pmg with --recipe paper or pmg",
        rich_help_panel=NET,
    ),
]
Dim = Annotated[
    int | None,
    typer.Option(help="d, codes.", show_default="by recipe: 128, 512", rich_help_panel=NET),
]
Bits = Annotated[
    int | None,
    typer.Option(help="r, bits of a code.", show_default="by recipe: 1, 2", rich_help_panel=NET),
]
Depth = Annotated[
    int | None,
    typer.Option(help="d_max of T.", show_default="⌈log2 k⌉ + 2", rich_help_panel=NET),
]
Activation = Annotated[
    Literal["sigmoid", "relu"] | None,
    typer.Option(
        help="Of F, before q.", show_default="by recipe: sigmoid, relu", rich_help_panel=NET
    ),
]
Dropout = Annotated[
    float | None,
    typer.Option(help="In F.", show_default="by recipe: 0.3 (frozen 0.5), 0", rich_help_panel=NET),
]
Hidden = Annotated[
    int | None,
    typer.Option(
        help="Hidden layer of F behind a frozen backbone.",
        show_default="1024; recipes paper and pmg 512",
        rich_help_panel=NET,
    ),
]
HeadHidden = Annotated[
    int | None,
    typer.Option(
        help="Hidden layer of G.",
        show_default="512",
        rich_help_panel=NET,
    ),
]
Criterion = Annotated[
    Literal["entropy", "squared_error"] | None,
    typer.Option(help="Of the greedy trees.", show_default="entropy", rich_help_panel=HOW),
]
MinSamplesLeaf = Annotated[
    int | None,
    typer.Option(
        help="Training images a leaf of T must hold.",
        show_default="one in 200; recipes paper and pmg 1",
        rich_help_panel=HOW,
    ),
]
LambdaLabel = Annotated[
    float | None,
    typer.Option(help="λ1, of L[G, y].", show_default="the method's", rich_help_panel=HOW),
]
LambdaTree = Annotated[
    float | None,
    typer.Option(help="λ2, of L[G, T].", show_default="the method's", rich_help_panel=HOW),
]
LambdaSparsity = Annotated[
    float | None,
    typer.Option(help="λ3, of the L1 norm.", show_default="the method's", rich_help_panel=HOW),
]
LambdaRoute = Annotated[
    float | None,
    typer.Option(
        help="λ4, of L[T, y] with gradients through T's tests.",
        show_default="the method's",
        rich_help_panel=HOW,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="At most so many.", show_default="by recipe", rich_help_panel=HOW),
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Of all processes together.", show_default="64; 16", rich_help_panel=HOW),
]
Optimiser = Annotated[
    Literal["adamw", "sgd"] | None,
    typer.Option(help="Of F and G.", show_default="by recipe", rich_help_panel=HOW),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        help="Of everything but the backbone.", show_default="by recipe", rich_help_panel=HOW
    ),
]
BackboneFactor = Annotated[
    float | None,
    typer.Option(
        help="Learning rate of the backbone, as a share of the other.",
        show_default="0.1 from trained weights, else 1",
        rich_help_panel=HOW,
    ),
]
WeightDecay = Annotated[float | None, typer.Option(show_default="by recipe", rich_help_panel=HOW)]
Momentum = Annotated[
    float | None, typer.Option(help="Of SGD.", show_default="0.9", rich_help_panel=HOW)
]
Schedule = Annotated[
    Literal["constant", "cosine"] | None,
    typer.Option(help="Of the learning rates.", show_default="by recipe", rich_help_panel=HOW),
]
Drops = Annotated[
    int | None,
    typer.Option(
        help="Stop at so many epochs whose validation accuracy fell.",
        show_default="none; 2 with --recipe paper",
        rich_help_panel=HOW,
    ),
]
Progressive = Annotated[
    bool | None,
    typer.Option(
        help="PMG's steps on shuffled patches before each step.",
        show_default="with --recipe pmg",
        rich_help_panel=HOW,
    ),
]
Seed = Annotated[
    int | None, typer.Option(help="Of every draw.", show_default="0", rich_help_panel=HOW)
]
