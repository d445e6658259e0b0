"""Curves of a training show what their titles say."""

from jointst.analysis.plots import training_curves


def test_what_the_log_tells_beside_losses_is_not_drawn_as_one() -> None:
    losses = {"ctc": 2.0, "speech_streaming": 1.0, "text_streaming": 3.0}
    other = {
        "additive/speech_streaming": 2.0,
        "outside/speech_streaming": 0.1,
        "ratio/layer0": 0.5,
        "padding": 0.1,
        "padding_text": 0.2,
        "audio_per_hour": 900.0,
        "max_seconds": 400.0,
        "to_go": 60.0,
    }
    figure = training_curves([{"update": update, **losses, **other} for update in (1, 10)])
    assert figure is not None
    drawn = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sorted(drawn) == ["ctc", "speech streaming", "text streaming"]
