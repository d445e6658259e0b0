"""The README of an exported folder, and the program in it: how to run it with sherpa-onnx alone."""

from __future__ import annotations

from jointst.common.languages import language
from jointst.export.onnx.files import FULL_CONTEXT, STREAMING
from jointst.export.onnx.graphs import Form
from jointst.export.onnx.sherpa import own_features
from jointst.models.build import Trained

_TEXT = """# A speech recogniser for sherpa-onnx

Trained with jointst for {languages}. Nothing but [sherpa-onnx](https://k2-fsa.github.io/sherpa/onnx/) (1.11 or later)
is needed to run it, in Python as here, and in its apps and libraries for other languages and devices.

| files | what for |
|---|---|
{folders}
| `tokens.txt` | the labels{of_both} |
| `bpe.vocab` | for hotwords: `modeling_unit="bpe"`, `bpe_vocab="bpe.vocab"`, `decoding_method="modified_beam_search"` |

`*.int8.onnx` are smaller and faster, and hear a little less well.

## In Python

`pip install sherpa-onnx`, and in this folder `python {script} a.wav`, with a recording of 16 bits and one channel
at any rate. `{script}`, which is here, reads:

```python
{program}
```
{behind}
## As a server

`pip install sherpa-onnx-bin`, and in this folder:

```
{commands}
```
{other_server}
## What to know

- Each position is given to the search {labels} times, so that it can emit as many labels. sherpa-onnx's times{rules}
- {shift}
"""
_STREAMING = "| `streaming/` | text while audio comes in, {chunk:g} s at a time |"
_FULL_CONTEXT = "| `full_context/` | {better}text, of audio that is there whole: a segment that has ended, or a file |"
_TWO_PASSES = """import array, sherpa_onnx, sys, wave
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
print("final:", second.result.text)"""
_ONE_PASS = """import array, sherpa_onnx, sys, wave
files = {{part: f"full_context/{{part}}.onnx" for part in ("encoder", "decoder", "joiner")}}
form = dict(tokens="tokens.txt", sample_rate={rate}, feature_dim={bins})
recogniser = sherpa_onnx.OfflineRecognizer.from_transducer(**files, **form)
wav = wave.open(sys.argv[1])
samples = [x / 32768 for x in array.array("h", wav.readframes(wav.getnframes()))]
stream = recogniser.create_stream()
stream.accept_waveform(wav.getframerate(), samples)
recogniser.decode_stream(stream)
print("final:", stream.result.text)"""
_CHUNKS = """
A stream is taken in chunks of {chunk:g} s, each when the next one has begun: hence the zeros after the last sample,
without which the last words stay inside. Many more of them help nothing, and a model that has never heard long silence
may write something there.
"""
_WHOLE = """
The model hears recordings whole and writes nothing before they end. Cut long ones at their silences: sherpa-onnx has
detectors of speech for it.
"""
_SERVER = """sherpa-onnx-{how}-websocket-server --port=6006 --tokens=tokens.txt --encoder={folder}encoder.onnx \\
    --decoder={folder}decoder.onnx --joiner={folder}joiner.onnx{options}"""
_CLIENT = "\nsherpa-onnx-online-websocket-client --server-port=6006 a.wav"
_OTHER_CLIENT = """
Clients for it are among the `python-api-examples` of sherpa-onnx: `offline-websocket-client-decode-files-*.py`.
"""
_OTHER_SERVER = """
`sherpa-onnx-offline-websocket-server` takes the files of `full_context/` in the same way.
"""
_RULES = """,
  and the silence that it counts for the end of a sentence, are {factor:g} times as long as they are: divide the one,
  and multiply `rule1_min_trailing_silence` and `rule2_min_trailing_silence` by that."""
_TIMES = """
  are {factor:g} times as long as they are."""
_SHIFTED = (
    "Features are taken as every app of sherpa-onnx computes them, and brought to what the model was trained with "
    "inside the graphs."
)
_OWN = (
    "Features are taken as the model was trained with: `{own}` of the streaming recogniser in Python. Apps and the "
    "full-context recogniser have no such options: export with `--export.shift 20.794` for them."
)


def texts(trained: Trained, form: Form) -> dict[str, str]:
    """``README.md`` and the program, by their names."""
    features, sizes, streams = trained.config.features, trained.config.model, trained.config.model.streams
    own = ", ".join(f"{key}={value}" for key, value in own_features(features).items()) if form.shift == 0 else ""
    frames = trained.model.chunk * sizes.subsampling if streams else 0
    told = {
        "chunk": frames * features.hop / 1000,
        "rate": round(features.sampling_rate),
        "bins": features.mel_bins,
        "features": f", {own}" if own else "",
        "frames": frames,
        "factor": 4 * form.labels / sizes.subsampling,
        "better": "better " if streams else "",
        "how": "online" if streams else "offline",
        "folder": f"{STREAMING if streams else FULL_CONTEXT}/",
        "options": "" if features.mel_bins == 80 and features.sampling_rate == 16000 else _options(trained),
    }
    folders = [_STREAMING, _FULL_CONTEXT] if streams else [_FULL_CONTEXT]
    program, script = (_TWO_PASSES, "two_passes.py") if streams else (_ONE_PASS, "one_pass.py")
    program = program.format(**told)
    readme = _TEXT.format(
        languages=", ".join(language(code).name for code in trained.languages),
        folders="\n".join(folders).format(**told),
        of_both=" of both" if streams else "",
        script=script,
        program=program,
        behind=(_CHUNKS if streams else _WHOLE).format(**told),
        commands=_SERVER.format(**told) + (_CLIENT if streams else ""),
        other_server=_OTHER_SERVER if streams else _OTHER_CLIENT,
        labels=form.labels,
        rules=(_RULES if streams else _TIMES).format(**told),
        shift=_OWN.format(own=own) if own else _SHIFTED,
    )
    return {"README.md": readme, script: f"{program}\n"}


def _options(trained: Trained) -> str:
    features = trained.config.features
    return f" \\\n    --sample-rate={round(features.sampling_rate)} --feat-dim={features.mel_bins}"
