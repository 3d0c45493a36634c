"""What training draws its crops from: photos, or pairs of frames, in folders, tar files and plain files.

files (found, read) -> photos (in memory, or decoded when drawn; cuts drawn at random) -> crops on the device
"""

from lcodec.training.data.load import load_pairs, load_photos
from lcodec.training.data.photos import Cut, InMemory, Photos, cropper

__all__ = ["Cut", "InMemory", "Photos", "cropper", "load_pairs", "load_photos"]
