"""`torch.nn.common_types`: the types of sizes in annotations."""

from typing import TypeAlias

size_1_t: TypeAlias = int | tuple[int]
size_2_t: TypeAlias = int | tuple[int, int]
size_3_t: TypeAlias = int | tuple[int, int, int]
size_4_t: TypeAlias = int | tuple[int, int, int, int]
size_any_t: TypeAlias = int | tuple[int, ...]
