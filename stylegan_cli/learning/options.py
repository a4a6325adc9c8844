"""What the settings of both trainings say of themselves, where they say the same."""

from stylegan_cli.runtime.config import Option

WARMUP = "Number of steps with a rising learning rate."
DECAY_FROM = "Share of the steps after which the learning rate falls."
EMA = Option("Decay of the moving average of the weights.", at_least=0, below=1)
PRECISION = Option("bf16 where the processor has it.")
SAMPLE_EVERY = Option("Steps between sample sheets.", at_least=0)
SAVE_EVERY = Option("Steps between checkpoints.", at_least=0)
