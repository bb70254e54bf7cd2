"""Every proof of every record holds, line by line, at random points; the rules without one are listed."""

import numpy as np
import pytest

from chainrule.core.facts import ProofStep
from chainrule.core.operation import REGISTRY
from chainrule.explain.derive import channel_records, views
from chainrule.explain.laws.instances import arranged, small_instance
from chainrule.explain.laws.proving import checked
from chainrule.explain.write.titles import TITLES
from chainrule.formula.evaluation import formulas_in, parse
from chainrule.rules.network.activation import Gelu, Sigmoid
from chainrule.rules.network.norm import LayerNorm

from .calls import Call, cases_of

VIEWS = (
    views.VectorMatrix,
    views.MatrixVector,
    views.InnerProduct,
    views.VectorMap,
    views.MatmulTransposed,
    views.LinearTransposed,
    views.ConvolutionMap,
    channel_records.ChannelNorm,
    channel_records.ChannelAffine,
    channel_records.ChannelScale,
    channel_records.PlainLayerNorm,
    channel_records.PlainRMSNorm,
)
PROVED = [(op, name) for op in (*REGISTRY.values(), *VIEWS) for name in op.proofs]
IDS = [f"{op.name}-{name}" for op, name in PROVED]

GIVEN = """
add add_at airy_ai airy_ai_slope airy_bi airy_bi_slope angle arctan2 astype beta_function betainc betainc_slope
betaincinv betaln binary_cross_entropy broadcast_to cholesky clip concatenate conjugate convolution_kernel convolve
copy copysign correlate cos cross cumprod cumsum deg2rad det eig eigh ellipe ellipeinc ellipk ellipkinc erfcinv
erfinv eval_chebyt eval_gegenbauer eval_genlaguerre eval_hermite eval_hermitenorm eval_jacobi exp expi expm expn
exprel fft flip fmax fmin fmod fold gamma_function gammainc gammainc_slope gammaincc gammainccinv gammaincinv
gammaln getitem gru hyp0f1 hyp1f1 hyp2f1 ifft imag index_add index_set irfft iv ive jv kv kve laid lambertw ldexp
log_ndtr logaddexp2 logm lstm max maximum mean min minimum multiply multivariate_normal nan_to_num ndtri negative
norm norm_logpdf owens_t pad pinv polygamma pool_at positive power prod qr rad2deg real remainder reshape rfft rnn
roll roots scatter sin slogdet solve_sylvester spence sph_legendre_p split sqrtm stack std subtract sum sum_unpool
svd take_at transpose tril triu unfold unpool_at var where with_parts wofz wrightomega xlog1py xlogy yv zeta
"""


def output_of(op):
    formula = formulas_in(op.__doc__)[-1]
    return formula[0] if ":" in formula else parse(formula).left  # the sum over windows is for readers only


def instances(op):
    for k, one in enumerate(cases_of(op)):
        if op not in REGISTRY.values():
            break
        rng = np.random.default_rng(k)
        call = Call.drawn(op, one, rng)
        if any(np.size(x) == 0 for x in call.args if isinstance(x, np.ndarray)):
            continue
        settings = {**op.defaults, **call.settings}
        y = op.primal(*call.args, **settings)
        named = dict(zip(op.arguments, call.args, strict=True))
        found = arranged(op, output_of(op), named, settings, y, rng.standard_normal(np.shape(y)))
        if found is not None:
            yield found
    if op.cases:
        yield small_instance(op)


@pytest.mark.parametrize(("op", "name"), PROVED, ids=IDS)
def test_every_line_holds(op, name):
    count = 0
    for instance in instances(op):
        verdicts = checked(op.proofs[name], instance)
        assert verdicts is not None
        for step, (error, reason) in zip(op.proofs[name], verdicts, strict=True):
            assert error is not None, (step.latex, reason)
            assert error < 1e-9, (step.latex, error)
        count += 1
    assert count


def test_a_proof_ends_at_the_derivative_of_its_argument():
    for op, name in PROVED:
        last = op.proofs[name][-1].latex.partition(" = ")[0].replace("\\", "").lower()
        ends = f"partial {name}" in last.replace("partial " + "\\", "")
        ends = ends or last.startswith((f"bar {name}", f"bar{name}"))
        assert ends, f"{op.name}, {name}: {last}"


def test_every_title_is_in_korean():
    used = {step.title for op, name in PROVED for step in op.proofs[name]}
    used |= {step.title for op in REGISTRY.values() for step in op.derivation if op.name.endswith("cross_entropy")}
    assert used == TITLES.keys()


WRONG = {
    "a sign": (Sigmoid, "x", r"\frac{\partial y}{\partial x} = -y (1 - y)"),
    "a square": (Sigmoid, "x", r"\frac{\partial y}{\partial x} = y (1 - y^2)"),
    "a density": (Gelu, "x", r"\frac{\partial p}{\partial x} = \exp(-\frac{x^2}{2})"),
    "a term": (LayerNorm, "x", r"\bar x_{ik} = \frac{g_{ik} - \frac{1}{n} \sum_j g_{ij}}{\sigma_i}"),
    "an index": (LayerNorm, "x", r"\frac{\partial \sigma_i}{\partial x_{ik}} = \frac{1}{n}"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_line_is_noticed(mistake):
    op, name, latex = WRONG[mistake]
    verdicts = checked((*op.proofs[name], ProofStep("", latex)), next(instances(op)))
    assert verdicts[-2][0] < 1e-9 < 1e-3 < verdicts[-1][0]


def test_rules_that_are_taken_as_given_are_listed():
    given = {op.name for op in REGISTRY.values() if op.kind != "constant" and not op.proofs and not op.derivation}
    assert given == set(GIVEN.split())
