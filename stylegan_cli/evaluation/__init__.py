"""How close styled pictures come to a truth or to a creator's pictures."""

from stylegan_cli.evaluation.cases import find_cases
from stylegan_cli.evaluation.config import EvaluationConfig
from stylegan_cli.evaluation.embedding import embed
from stylegan_cli.evaluation.measure import (
    Comparison,
    StyleReport,
    compare_with_creator,
    compare_with_truth,
    evaluate_styles,
    measure_style,
)

__all__ = [
    "Comparison",
    "EvaluationConfig",
    "StyleReport",
    "compare_with_creator",
    "compare_with_truth",
    "embed",
    "evaluate_styles",
    "find_cases",
    "measure_style",
]
