"""Help texts, options, and bounds that all trainings share."""

from stylegan_cli.runtime.config import Option, parse_duration

STEPS = Option("Number of steps, instead of a time limit.", at_least=1)
WARMUP = "Number of steps with a rising learning rate."
DECAY_FROM = "Share of the steps after which the learning rate falls."
EMA = Option("Decay of the moving average of the weights.", at_least=0, below=1)
PRECISION = Option(
    "Precision of training. auto: bf16 if the processor supports it; fp64: to compare two runs."
)
ACCUMULATE = Option(
    "Parts that each process computes its share of a batch in; more parts need less memory.",
    at_least=1,
    at_most=1024,
)
SAMPLE_EVERY = Option("Steps between sample sheets.", at_least=0)
SAVE_EVERY = Option("Steps between checkpoints.", at_least=0)


def devices_option(shown: str) -> Option:
    """The option of how many processes train as one. shown: what the help calls the default."""
    return Option(
        "Number of processes that train as one: GPUs, or with --device cpu processes on the CPU.",
        at_least=1,
        at_most=1024,
        shown=shown,
    )


def time_limit(about: str, shown: str) -> Option:
    """The option of a limit in seconds, typed as a duration. shown: the default, as typed."""
    return Option(about, names=("--time-limit",), above=0, shown=shown, parse=parse_duration)
