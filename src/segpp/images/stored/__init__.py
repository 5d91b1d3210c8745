"""What an image file stores, as it stands there: never scaled, never interpreted.

Pictures are made of it by ``segpp.images.preprocess``, class numbers by the evaluation. Each kind
of file is one module, found by scanning; ``base`` says what each must offer.
"""

from segpp.images.stored._read import container_of, count_pages, read_stored
from segpp.images.stored.base import Stored

__all__ = ["Stored", "container_of", "count_pages", "read_stored"]
