"""The networks: what they are fed, how they learn, how they judge."""

import os

# ONNX Runtime's builds report to its maker what they load and run, under an id that they leave in
# the home folder, unless this is said before they start.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
