"""The options of `rekalman fit`: what is learned, and how."""

from pathlib import Path
from typing import Annotated

import typer

from rekalman.cli import options
from rekalman.methods.describe import (
    filter_defaults,
    option_defaults,
    setting_defaults,
    transform_defaults,
)
from rekalman.methods.learners import ONLINE
from rekalman.methods.registry import names

MODEL = "Model"
TRAINING = "Training"

Source = Annotated[
    str,
    typer.Argument(
        help="A CSV or Parquet file, a film (.npz), or an example: sunspots, nile, lynx."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="One of " + ", ".join(names()) + "; rekalman models says more.",
        show_default="an average of the best of a short list, by forecasting the last quarter of the data",
        rich_help_panel=MODEL,
    ),
]
States = Annotated[
    int | None,
    typer.Option(
        help="Number of state variables.",
        show_default=option_defaults("states"),
        rich_help_panel=MODEL,
    ),
]
Units = Annotated[
    int | None,
    typer.Option(
        help="driven-rnn: number of bounded units beside the linear ones; lstm, gru, elman: of hidden units.",
        show_default=option_defaults("units"),
        rich_help_panel=MODEL,
    ),
]
Learner = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="gru, lstm, elman: learn row by row, forward through time, by one of "
        + ", ".join(ONLINE)
        + ".",
        show_default="back-propagation",
        rich_help_panel=TRAINING,
    ),
]
Kernels = Annotated[
    int | None,
    typer.Option(
        help="rbf: number of radial basis functions.",
        show_default=option_defaults("kernels"),
        rich_help_panel=MODEL,
    ),
]
Period = Annotated[
    float | None,
    typer.Option(
        metavar="STEPS",
        help="Steps per season (seasonal), or where the oscillator begins.",
        show_default=option_defaults("period"),
        rich_help_panel=MODEL,
    ),
]
Activation = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="em-rnn: function of the hidden units.",
        show_default=option_defaults("activation"),
        rich_help_panel=MODEL,
    ),
]
LinearObservation = Annotated[
    bool,
    typer.Option(
        "--linear-observation",
        help="em-rnn: the outputs read C x instead of C f(x).",
        rich_help_panel=MODEL,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any option of the model, as rekalman models NAME lists them; may be given again.",
        rich_help_panel=MODEL,
    ),
]
ProcessNoise = Annotated[
    options.Noise | None,
    typer.Option(
        help="Shape of Q.",
        show_default="full for linear, else diagonal",
        rich_help_panel=MODEL,
    ),
]
ObservationNoise = Annotated[
    options.Noise | None,
    typer.Option(
        help="Shape of R.",
        show_default="full for linear, else diagonal",
        rich_help_panel=MODEL,
    ),
]
Scale = Annotated[
    options.Scale | None,
    typer.Option(
        help="Several series: each on a scale of its own, or all on one.",
        show_default="series; with inputs shared",
        rich_help_panel=MODEL,
    ),
]
Transform = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of positive columns whose variance grows with the level: log, a power between 0 and 1, auto "
        "(the likeliest power of each column) or none.",
        show_default=transform_defaults(),
        rich_help_panel=MODEL,
    ),
]
Freeze = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,C,...",
        help="Blocks that keep the value they start with, any of A,B,c,C,D,d,Q,R,m,P (rbf: H).",
        rich_help_panel=MODEL,
    ),
]
Filter = Annotated[
    options.Filter | None,
    typer.Option(
        "--filter",
        help="What filters and forecasts with the trained model.",
        show_default=filter_defaults(),
        rich_help_panel=MODEL,
    ),
]
FilterIterations = Annotated[
    int | None,
    typer.Option(
        help="--filter extended: how often it linearises each observation.",
        show_default="1",
        rich_help_panel=MODEL,
    ),
]

Smoother = Annotated[
    options.Smoother | None,
    typer.Option(
        help="em-rnn: of the E-step; a Gaussian one for low noise.",
        show_default="particles",
        rich_help_panel=TRAINING,
    ),
]
WarmStart = Annotated[
    int | None,
    typer.Option(
        help="em-rnn: iterations with the Gaussian smoother before those with particles.",
        show_default="0",
        rich_help_panel=TRAINING,
    ),
]
Particles = Annotated[
    int | None,
    typer.Option(
        help="em-rnn: particles of the E-step.", show_default="100", rich_help_panel=TRAINING
    ),
]
Iterations = Annotated[
    int | None,
    typer.Option(
        help="At most so many iterations.",
        show_default=setting_defaults("iterations"),
        rich_help_panel=TRAINING,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="rkn, lstm, gru, elman: how often every step is trained on.",
        show_default="about 1500 updates",
        rich_help_panel=TRAINING,
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="rkn, lstm, gru, elman: keep a checkpoint of each epoch there, and continue from it.",
        rich_help_panel=TRAINING,
    ),
]
Restarts = Annotated[
    int | None,
    typer.Option(
        help="em-rnn: starts selected on held-out likelihood; driven-rnn: on held-out simulation.",
        show_default=option_defaults("restarts"),
        rich_help_panel=TRAINING,
    ),
]
HoldOut = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="em-rnn, rbf: share of each series that judges the starts; rkn, lstm, gru, elman: the epochs.",
        show_default=option_defaults("hold_out"),
        rich_help_panel=TRAINING,
    ),
]
Backtest = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of the end of each series that one more model, trained without it, predicts: the "
        "verdict comes from there; 0 = none.",
        show_default="0.2 where that is enough to judge",
        rich_help_panel=TRAINING,
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="CPU time that the choice of a model may take, once compiled; only without --model.",
        show_default="30",
        rich_help_panel=MODEL,
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        help="Stop when the log-likelihood gains less than this per entry (nats); 0 = never.",
        show_default=setting_defaults("tolerance"),
        rich_help_panel=TRAINING,
    ),
]
ParticleProposal = Annotated[
    options.Proposal | None,
    typer.Option(
        "--proposal",
        help="em-rnn: how the filter moves its particles.",
        show_default="guided",
        rich_help_panel=TRAINING,
    ),
]

Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of time stamps; found out by default.",
        rich_help_panel=options.READING,
    ),
]
Irregular = Annotated[
    bool,
    typer.Option(
        "--irregular",
        help="Keep the steps between the time stamps as they are (for models in continuous time: "
        "local-level, local-linear-trend, oscillator, constant-velocity, constant-acceleration).",
        rich_help_panel=options.READING,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B,...",
        help="Columns to learn; by default all that hold numbers.",
        rich_help_panel=options.READING,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="U,V,...", help="Columns of known inputs.", rich_help_panel=options.READING
    ),
]

Out = Annotated[
    Path | None,
    typer.Option(
        help="Where the model goes; by default SOURCE.rekalman, or SOURCE-MODEL.rekalman with --model.",
        rich_help_panel=options.OUTPUT,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        help="Where the report goes; by default SOURCE.html, or SOURCE-MODEL.html with --model.",
        rich_help_panel=options.OUTPUT,
    ),
]
NoReport = Annotated[
    bool,
    typer.Option("--no-report", help="Write no report.", rich_help_panel=options.OUTPUT),
]
