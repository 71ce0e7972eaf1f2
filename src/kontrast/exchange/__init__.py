"""Taking the encoder elsewhere: a folder that other libraries load, and a certificate that it is the same encoder."""

from kontrast.encoders.images.folders import Stored
from kontrast.encoders.images.folders import stored as read
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.formats import FORMATS
from kontrast.exchange.formats import write_encoder as write

__all__ = ["FORMATS", "About", "Certificate", "Stored", "read", "write"]
