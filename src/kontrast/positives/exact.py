"""torchvision's float tensor semantics, operation by operation."""

from __future__ import annotations

from kontrast.positives.fused import render as render  # until the operations stand here
