"""Pictures on disk as training data: finding, reading, changing and batching them."""

from chainrule.data.pictures.augment import Augmentation, augmentation
from chainrule.data.pictures.decode import Form, decode
from chainrule.data.pictures.find import Found, find, find_files, find_listed
from chainrule.data.pictures.loader import PictureLoader, PictureSet
from chainrule.data.pictures.pictures import Pictures, Survey, chosen_form, survey

__all__ = [
    "Augmentation",
    "Form",
    "Found",
    "PictureLoader",
    "PictureSet",
    "Pictures",
    "Survey",
    "augmentation",
    "chosen_form",
    "decode",
    "find",
    "find_files",
    "find_listed",
    "survey",
]
