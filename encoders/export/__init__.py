"""How encoders get here: graphs built or exported to ONNX, with manifest, tokenizer and projection beside them."""

from __future__ import annotations

from encoders.export.use import export_use

__all__ = ["export_use"]
