"""Pictures on disk as training data: finding, reading, changing and batching them."""

from chainrule.data.pictures.arrays import find_array, is_array
from chainrule.data.pictures.augment import Augmentation, augmentation
from chainrule.data.pictures.decode import Form, decode
from chainrule.data.pictures.find import find, find_files, find_known
from chainrule.data.pictures.found import Found
from chainrule.data.pictures.listed import find_listed, is_table, listed_files, lists_pictures
from chainrule.data.pictures.loader import PictureLoader, PictureSet
from chainrule.data.pictures.pictures import Pictures, Survey, chosen_form, survey, survey_array

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
    "find_array",
    "find_files",
    "find_known",
    "find_listed",
    "is_array",
    "is_table",
    "listed_files",
    "lists_pictures",
    "survey",
    "survey_array",
]
