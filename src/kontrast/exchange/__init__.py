"""Taking the encoder elsewhere: a folder that other libraries load, and a certificate that it is the same encoder."""

from kontrast.encoders.stored import Stored
from kontrast.encoders.stored import stored as read
from kontrast.exchange.card import About
from kontrast.exchange.folder import Certificate, write

__all__ = ["About", "Certificate", "Stored", "read", "write"]
