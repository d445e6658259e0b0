import pytest

from jointst.config import TrainingConfig
from jointst.training.schedule import FLOOR, rate_factor


def test_warm_up_hold_and_decay() -> None:
    config = TrainingConfig(max_updates=1000, warmup_updates=100, hold_share=0.5)
    assert rate_factor(0, config) == pytest.approx(0.01)
    assert rate_factor(99, config) == 1.0
    assert rate_factor(499, config) == 1.0
    assert rate_factor(750, config) == pytest.approx((1 + FLOOR) / 2)
    assert rate_factor(1000, config) == pytest.approx(FLOOR)
    assert rate_factor(5000, config) == pytest.approx(FLOOR)
    values = [rate_factor(update, config) for update in range(500, 1001)]
    assert values == sorted(values, reverse=True)
