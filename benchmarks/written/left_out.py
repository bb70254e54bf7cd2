"""What is not compared, and why."""

from typing import Any

NOT_COMPARED = {
    "differs from run to run": (
        "normal uniform randn randn_like rand_like empty empty_like empty_permuted empty_strided new_empty "
        "new_empty_strided svd_lowrank pca_lowrank nn.functional.feature_alpha_dropout "
    ),
    "has a free phase, which PyTorch's samples do not fix": ("svd linalg.svd linalg.eig linalg.eigh "),
    "is a part of PyTorch's machinery": (
        "jiterator_unary jiterator_binary jiterator_4inputs_with_extra_args to_sparse "
        "jiterator_binary_return_by_ref jiterator_2inputs_2outputs resize_ resize_as_ _unsafe_masked_index "
        "_chunk_cat _unsafe_masked_index_put_accumulate sparse.sampled_addmm item sum_to_size nonzero_static "
    ),
    "converts or makes values, without a derivative": (
        "bool byte char double half long short cdouble bfloat16 float int cfloat chalf to ones_like "
        "zeros_like ones zeros full eye logspace new_zeros new_ones new_full scalar_tensor zero_ "
        "conj_physical resolve_conj resolve_neg alias_copy expand_copy linspace nonzero "
    ),
    "has no counterpart in NumPy or SciPy's names here": (
        "geqrf ormqr linalg.householder_product lu_unpack lu lu_solve linalg.inv_ex linalg.solve_ex "
        "linalg.cholesky_ex linalg.lu linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.ldl_factor "
        "linalg.ldl_factor_ex stft istft linalg.ldl_solve linalg.lstsq renorm masked_scatter masked.normalize "
        "masked.logsumexp logcumsumexp combinations cartesian_prod masked.cumsum masked.cumprod fft.hfft2 "
        "fft.hfftn "
    ),
    "has a gradient that assumes the diagonal of the factor to be real": ("cholesky_inverse cholesky_solve "),
    "has another meaning in NumPy where it has options of PyTorch's": ("linalg.matrix_rank "),
    "is a layer of networks, for real numbers here": (
        "nn.functional.conv_transpose1d nn.functional.conv_transpose2d nn.functional.conv_transpose3d "
        "nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d nn.functional.unfold "
        "nn.functional.rms_norm nn.functional.triplet_margin_loss "
        "nn.functional.triplet_margin_with_distance_loss nn.functional.softmin nn.functional.pixel_shuffle "
        "nn.functional.pixel_unshuffle nn.functional.channel_shuffle "
    ),
}
"""Operators that are left out, by reason."""


def different(name: str, sample: Any) -> str | None:
    """Return why NumPy does not share the meaning of a sample; None if it does."""
    shape = tuple(getattr(sample.input, "shape", ()))
    dim = sample.args[0] if sample.args else sample.kwargs.get("dim")
    if name in ("mean", "masked.mean", "var", "std") and shape == () and dim is not None:
        return "NumPy refuses an axis of a number"
    if name == "nn.functional.pad" and sample.args[1:] and 0 not in shape and 0 in cropped(shape, sample.args[0]):
        return "NumPy refuses to extend an empty axis"
    if name == "einsum" and sample.args[0].partition("->")[2].find("...") < 0 <= sample.args[0].find("..."):
        return "NumPy does not sum over an ellipsis"
    if name == "tensordot" and isinstance(sample.kwargs.get("dims"), tuple | list):
        a, b = sample.kwargs["dims"]
        if [shape[k] for k in a] != [sample.args[0].shape[k] for k in b]:
            return "NumPy does not stretch axes of length 1"
    if name in ("softmax", "log_softmax") and sample.kwargs.get("dtype") is not None and sample.input.is_complex():
        return "PyTorch converts complex numbers to real ones first"
    if name == "logaddexp" and sample.input.is_complex():
        return "PyTorch's logarithm of complex sums is on another branch"
    if name == "as_strided" and sample.input._base is not None:
        return "NumPy hands out views whose memory is not known"
    if name == "linalg.eigvals" and not sample.input.is_complex():
        return "NumPy's eigenvalues are real where all of them are"
    if name == "__rpow__" and bool((getattr(sample.args[0], "real", sample.args[0]) < 0).any()):
        return "PyTorch's gradient by the exponent of a negative base is NaN, also where the power has a value"
    if name == "linalg.vander" and not shape:
        return "NumPy has no Vandermonde matrix of a number"
    if name == "cat" and len({x.ndim for x in sample.input}) > 1:
        return "NumPy joins no arrays of different numbers of axes"
    if name == "gather" and sample.args[1].ndim > max(len(shape), 1):
        return "NumPy has no index of more axes than the array"
    if name == "linalg.pinv" and len(sample.args) and hasattr(sample.args[0], "shape"):
        return "a sample for another function, of two factors"
    if name == "linalg.pinv" and sample.kwargs.get("hermitian"):
        return "the sample is not Hermitian"
    return None


def cropped(shape: tuple[int, ...], widths: Any) -> list[int]:
    """Return the lengths that negative widths leave."""
    sizes = list(shape)
    for k in range(len(widths) // 2):
        sizes[-1 - k] += min(widths[2 * k], 0) + min(widths[2 * k + 1], 0)
    return sizes
