"""What TensorBoard is told: every number of a row, those of lists by their place."""

import pytest

from rnn_research.training import metrics


def test_tensorboard_reads_the_gradient_by_lag(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    row = {
        "seed": 0,
        "learning_rate": 0.5,
        "step": 4,
        "loss": 0.25,
        "diagnostics": {
            "gradient_lags": [0, 10, 100, 200],
            "gradient_log10": [0.5, -3.5, -7.25, None],
            "horizon": None,
            "parameter_log10": {"body.W": -1.0},
            "others": [2.0, 3.0],
        },
    }
    events = metrics.Events(tmp_path, after=0)
    events.write(row)
    events.close()
    read = accumulators.EventAccumulator(str(tmp_path)).Reload()
    found = {}
    for name in read.Tags()["scalars"]:
        (event,) = read.Scalars(name)
        assert event.step == 4
        found[name] = event.value
    assert found == {
        "loss": 0.25,
        "diagnostics/gradient_log10/lag_00000": 0.5,
        "diagnostics/gradient_log10/lag_00010": -3.5,
        "diagnostics/gradient_log10/lag_00100": -7.25,
        "diagnostics/parameter_log10/body.W": -1.0,
        "diagnostics/others/0": 2.0,
        "diagnostics/others/1": 3.0,
        "step": 4.0,
    }
