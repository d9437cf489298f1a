"""ONNX Runtime, which is to report nothing to anybody."""

import os

# Its builds report to their maker what they load and run, under an id that they leave in the home
# folder, unless this is said before they start.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

__all__ = ["onnxruntime", "runtime"]
