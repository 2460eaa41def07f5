"""Models that leave this package: ONNX files for other runtimes, and safetensors files.

Both take and return samples in the shape, units and dtype of the training data.
"""

from latentrank.export.measure import Difference, Exported, compression_change
from latentrank.export.onnx_file import OPSET, PRECISIONS, export_onnx
from latentrank.export.parts import PARTS, deployed
from latentrank.export.weights import export_safetensors, load_safetensors

__all__ = [
    "OPSET",
    "PARTS",
    "PRECISIONS",
    "Difference",
    "Exported",
    "compression_change",
    "deployed",
    "export_onnx",
    "export_safetensors",
    "load_safetensors",
]
