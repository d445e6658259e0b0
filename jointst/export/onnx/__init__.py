"""The recogniser as ONNX graphs in the form that sherpa-onnx runs, with no change of weights."""
