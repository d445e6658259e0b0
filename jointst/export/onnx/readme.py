"""The README of an exported folder: how to run it with sherpa-onnx alone."""

from __future__ import annotations

from jointst.build import Trained
from jointst.export.onnx.graphs import Form
from jointst.export.onnx.sherpa import own_features
from jointst.languages import language

_TEXT = """# A speech recogniser for sherpa-onnx

Trained with jointst for {languages}. Nothing but [sherpa-onnx](https://k2-fsa.github.io/sherpa/onnx/) (1.11 or later)
is needed to run it, in Python as here, and in its apps and libraries for other languages and devices.

| files | what for |
|---|---|
| `streaming/` | text while audio comes in, {chunk:g} s at a time |
| `full_context/` | better text, of audio that is there whole: a segment that has ended, or a file |
| `tokens.txt` | the labels of both |
| `bpe.vocab` | for hotwords: `modeling_unit="bpe"`, `bpe_vocab="bpe.vocab"`, `decoding_method="modified_beam_search"` |

`*.int8.onnx` are smaller and faster, and hear a little less well.

## In Python

`pip install sherpa-onnx`, and in this folder `python two_passes.py a.wav`, with a recording of 16 bits and one channel
at any rate, and with `two_passes.py`:

```python
import array, sherpa_onnx, sys, wave
files = lambda kind: {{part: f"{{kind}}/{{part}}.onnx" for part in ("encoder", "decoder", "joiner")}}
form = dict(tokens="tokens.txt", sample_rate={rate}, feature_dim={bins})
streaming = sherpa_onnx.OnlineRecognizer.from_transducer(**files("streaming"), **form{features})
full_context = sherpa_onnx.OfflineRecognizer.from_transducer(**files("full_context"), **form)
wav = wave.open(sys.argv[1])
rate, samples = wav.getframerate(), [x / 32768 for x in array.array("h", wav.readframes(wav.getnframes()))]
first, second = streaming.create_stream(), full_context.create_stream()
padded = samples + [0.0] * (-len(samples) % (rate * {frames} // 100) + rate // 40)
for start in range(0, len(padded), rate // 10):  # as it would come from a microphone
    first.accept_waveform(rate, padded[start : start + rate // 10])
    while streaming.is_ready(first):
        streaming.decode_stream(first)
    print("partial:", streaming.get_result(first))
second.accept_waveform(rate, samples)
full_context.decode_stream(second)
print("final:", second.result.text)
```

A stream is taken in chunks of {chunk:g} s, each when the next one has begun: hence the zeros after the last sample,
without which the last words stay inside. Many more of them help nothing, and a model that has never heard long silence
may write something there.

## As a server

`pip install sherpa-onnx-bin`, and in this folder:

```
sherpa-onnx-online-websocket-server --port=6006 --tokens=tokens.txt --encoder=streaming/encoder.onnx \\
    --decoder=streaming/decoder.onnx --joiner=streaming/joiner.onnx{server}
sherpa-onnx-online-websocket-client --server-port=6006 a.wav
```

`sherpa-onnx-offline-websocket-server` takes the files of `full_context/` in the same way.

## What to know

- Each position is given to the search {labels} times, so that it can emit as many labels. sherpa-onnx's time stamps,
  and the silence that it counts for the end of a sentence, are {factor:g} times as long as they are: divide the one,
  and multiply `rule1_min_trailing_silence` and `rule2_min_trailing_silence` by that.
- {shift}
"""
_SHIFTED = (
    "Features are taken as every app of sherpa-onnx computes them, and brought to what the model was trained with "
    "inside the graphs."
)
_OWN = (
    "Features are taken as the model was trained with: `{own}` of the streaming recogniser in Python. Apps and the "
    "full-context recogniser have no such options: export with `--export.shift 20.794` for them."
)


def readme(trained: Trained, form: Form) -> str:
    """The text of ``README.md``."""
    features, sizes = trained.config.features, trained.config.model
    chunk = trained.model.chunk * sizes.subsampling * features.hop / 1000
    own = ", ".join(f"{key}={value}" for key, value in own_features(features).items()) if form.shift == 0 else ""
    return _TEXT.format(
        languages=", ".join(language(code).name for code in trained.languages),
        chunk=chunk,
        rate=round(features.sampling_rate),
        bins=features.mel_bins,
        features=f", {own}" if own else "",
        frames=trained.model.chunk * sizes.subsampling,
        server="" if features.mel_bins == 80 and features.sampling_rate == 16000 else _server(trained),
        labels=form.labels,
        factor=4 * form.labels / sizes.subsampling,
        shift=_OWN.format(own=own) if own else _SHIFTED,
    )


def _server(trained: Trained) -> str:
    features = trained.config.features
    return f" \\\n    --sample-rate={round(features.sampling_rate)} --feat-dim={features.mel_bins}"
