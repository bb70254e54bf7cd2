"""Models of torchvision, timm, transformers, segmentation_models_pytorch and torch_geometric, against PyTorch.

    python benchmarks/torch_models.py [--only TEXT] [--quick]

Each model, with random weights and a small configuration, is traced in float64: the largest difference of its outputs,
and of the gradients of its parameters, relative to the largest value. Then it is used (one model of each package with
--quick): `explain`, with the number of equations, all of which are to be verified, and how many of its steps name a
submodule; `graph`; `compile`; and the doctor's verdicts. The bar is 1e-8. A model that computes a part in float32
whatever its dtype, as rotary angles are, is marked with * and compared twice: as it is, where rounding may be as coarse
as that part (1e-6), and with that part in float64 in PyTorch as well, where the bar is 1e-8 again; that one is used.
Packages that are not there are named and skipped:
`python -m pip install torchvision timm transformers segmentation-models-pytorch torch-geometric`.
"""

import argparse
import copy
import importlib
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from timing import machine, table

import chainrule as cr
from chainrule.interop.torch import from_torch

BAR, BAR_IN_SINGLE = 1e-8, 1e-6
Made = tuple[Callable[[], Any], Any]


def torchvision_models(torch: Any) -> Iterator[tuple[str, Made]]:
    """Yield names, and how each model and its input are made."""
    package = imported("torchvision")
    names = "resnet18 mobilenet_v2 mobilenet_v3_small squeezenet1_0 densenet121 efficientnet_b0 shufflenet_v2_x0_5 "
    names += "regnet_y_400mf convnext_tiny googlenet mnasnet0_5 vgg11_bn alexnet swin_t"
    for name in names.split():
        settings = {"init_weights": False} if name == "googlenet" else {}
        yield name, (lambda n=name, s=settings: getattr(package.models, n)(weights=None, **s), images(torch, 64))
    yield "vit", (lambda: package.models.VisionTransformer(32, 8, 2, 4, 32, 64), images(torch, 32))
    segmentation = {"weights": None, "weights_backbone": None, "num_classes": 3}
    for name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large"):
        yield name, (lambda n=name: getattr(package.models.segmentation, n)(**segmentation), images(torch, 64))


def timm_models(torch: Any) -> Iterator[tuple[str, Made]]:
    """Yield names, and how each model and its input are made."""
    package = imported("timm")
    names = "ghostnet_100 hrnet_w18_small seresnet50 poolformer_s12 edgenext_xx_small mobilevit_xxs convnextv2_atto "
    names += "eca_nfnet_l0 repvgg_a0 tf_efficientnetv2_b0 resnet10t convnext_atto mobilenetv4_conv_small fastvit_t8 "
    names += (
        "repvit_m0_9 rexnet_100 dla34 hgnetv2_b0 inception_next_atto skresnet18 xcit_nano_12_p16_224 focalnet_tiny_srf "
    )
    names += "pvt_v2_b0 lambda_resnet26t botnet26t_256 halonet26t davit_tiny efficientvit_b0 csatv2"
    for name in names.split():
        size = 256 if name.startswith(("botnet", "halonet", "lambda")) else 64
        yield name, (lambda n=name: package.create_model(n, pretrained=False, num_classes=5), images(torch, size))
    sized = "mixer_s32_224 gmlp_s16_224 resmlp_12_224 swin_tiny_patch4_window7_224 swinv2_cr_tiny_ns_224 volo_d1_224 "
    sized += "coat_lite_tiny cait_xxs24_224 deit_tiny_patch16_224 beit_base_patch16_224 crossvit_tiny_240 convit_tiny "
    sized += "twins_svt_small maxvit_rmlp_pico_rw_256 levit_128s tiny_vit_5m_224 vit_tiny_r_s16_p8_224 "
    sized += "eva02_tiny_patch14_224"
    for name in sized.split():
        size = 56 if "patch14" in name else 224 if "window7" in name or "cr_tiny" in name else 64
        own = {"pretrained": False, "num_classes": 5, "img_size": size}
        yield name, (lambda n=name, k=own: package.create_model(n, **k), images(torch, size))


def transformers_models(torch: Any) -> Iterator[tuple[str, Made]]:
    """Yield names, and how each model and its input are made."""
    package = imported("transformers")
    ids = torch.randint(3, 50, (2, 8))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    text = {"input_ids": ids, "attention_mask": mask}
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    common = {**sizes, "vocab_size": 50, "max_position_embeddings": 32}
    shared = {**common, "num_key_value_heads": 1, "use_cache": False}
    heads = {**shared, "head_dim": 8}
    gpt = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 50, "n_positions": 32, "use_cache": False}
    bloom = {"hidden_size": 16, "n_layer": 2, "n_head": 2, "vocab_size": 50, "use_cache": False}
    t5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 50, "use_cache": False}
    bart = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "use_cache": False}
    bart |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 50}
    vit = {**sizes, "image_size": 32, "patch_size": 8}
    segformer = {"hidden_sizes": [8, 16, 16, 16], "depths": [1] * 4, "num_attention_heads": [1, 2, 2, 2]}
    opt = {**common, "ffn_dim": 32, "word_embed_proj_dim": 16, "use_cache": False}
    speech = {
        "d_model": 16,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "num_mel_bins": 8,
    }
    speech |= {"max_source_positions": 16, "vocab_size": 50, "decoder_layers": 1, "decoder_ffn_dim": 32}
    speech |= {"decoder_attention_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    falcon = {**common, "use_cache": False, "alibi": False}
    xlnet = {"vocab_size": 50, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}
    wave = {**sizes, "conv_dim": [8, 8], "conv_stride": [2, 2], "conv_kernel": [4, 4], "num_feat_extract_layers": 2}
    wave |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "vocab_size": 20}
    gpt_neo = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]}
    gpt_neo |= {"vocab_size": 50, "max_position_embeddings": 32, "use_cache": False}
    mamba2 = {"hidden_size": 16, "num_hidden_layers": 1, "num_heads": 4, "head_dim": 8, "n_groups": 1, "state_size": 4}
    mamba2 |= {"vocab_size": 50, "use_cache": False, "chunk_size": 4}
    stages = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
    swin = {"image_size": 64, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4}
    mel, waves = torch.randn(2, 8, 32, dtype=torch.float64), torch.randn(2, 400, dtype=torch.float64)
    gptj = {**gpt, "rotary_dim": 4}
    whole_speech, decoded = {**speech, "use_cache": False, "decoder_start_token_id": 1}, {"decoder_input_ids": ids}
    both = {**text, "decoder_input_ids": ids}
    pixels = {"pixel_values": images(torch, 32)}
    for cls, config, settings, inputs in (
        ("GPT2LMHeadModel", "GPT2Config", gpt, text),
        ("BertForSequenceClassification", "BertConfig", common, text),
        ("RobertaForTokenClassification", "RobertaConfig", common, text),
        ("DistilBertForMaskedLM", "DistilBertConfig", {"dim": 16, "n_layers": 2, "n_heads": 2, "vocab_size": 50}, text),
        ("ElectraForPreTraining", "ElectraConfig", {**common, "embedding_size": 16}, text),
        ("AlbertModel", "AlbertConfig", {**common, "embedding_size": 8}, text),
        ("DebertaV2Model", "DebertaV2Config", common, text),
        ("LlamaForCausalLM", "LlamaConfig", shared, text),
        ("MistralForCausalLM", "MistralConfig", heads, text),
        ("Qwen2ForCausalLM", "Qwen2Config", shared, text),
        ("GemmaForCausalLM", "GemmaConfig", heads, text),
        ("PhiForCausalLM", "PhiConfig", {**common, "use_cache": False}, text),
        ("GPTNeoXForCausalLM", "GPTNeoXConfig", {**common, "use_cache": False}, text),
        ("BloomForCausalLM", "BloomConfig", bloom, text),
        ("MambaForCausalLM", "MambaConfig", {**bloom, "state_size": 4, "num_hidden_layers": 1}, {"input_ids": ids}),
        ("T5ForConditionalGeneration", "T5Config", t5, both),
        ("BartModel", "BartConfig", {**bart, "max_position_embeddings": 32}, both),
        ("OPTForCausalLM", "OPTConfig", opt, text),
        ("DebertaModel", "DebertaConfig", common, text),
        ("Qwen3ForCausalLM", "Qwen3Config", heads, text),
        ("Gemma2ForCausalLM", "Gemma2Config", heads, text),
        ("Olmo2ForCausalLM", "Olmo2Config", shared, text),
        ("Phi3ForCausalLM", "Phi3Config", {**shared, "pad_token_id": 0}, text),
        ("FalconForCausalLM", "FalconConfig", falcon, text),
        ("GPTJForCausalLM", "GPTJConfig", gptj, text),
        ("GPTNeoForCausalLM", "GPTNeoConfig", gpt_neo, text),
        ("CodeGenForCausalLM", "CodeGenConfig", {**gptj, "n_head": 4, "n_embd": 32}, text),
        ("XLNetModel", "XLNetConfig", xlnet, text),
        ("SqueezeBertModel", "SqueezeBertConfig", {**common, "embedding_size": 16}, text),
        ("MPNetModel", "MPNetConfig", common, text),
        ("T5EncoderModel", "T5Config", t5, text),
        ("WhisperForAudioClassification", "WhisperConfig", speech, {"input_features": mel}),
        ("WhisperForConditionalGeneration", "WhisperConfig", whole_speech, {"input_features": mel, **decoded}),
        ("FNetModel", "FNetConfig", {**common, "tpu_short_seq_length": 8}, {"input_ids": ids}),
        ("Wav2Vec2ForCTC", "Wav2Vec2Config", wave, {"input_values": waves}),
        ("HubertModel", "HubertConfig", wave, {"input_values": waves}),
        ("Mamba2ForCausalLM", "Mamba2Config", mamba2, {"input_ids": ids}),
        ("CLIPTextModel", "CLIPTextConfig", {**common, "eos_token_id": 2}, text),
        ("DeiTForImageClassification", "DeiTConfig", vit, pixels),
        ("BeitForImageClassification", "BeitConfig", vit, pixels),
        ("Dinov2Model", "Dinov2Config", {**vit, "mlp_ratio": 2}, pixels),
        ("ConvNextForImageClassification", "ConvNextConfig", stages, {"pixel_values": images(torch, 64)}),
        ("SwinModel", "SwinConfig", swin, {"pixel_values": images(torch, 64)}),
        ("ViTForImageClassification", "ViTConfig", vit, pixels),
        ("CLIPVisionModel", "CLIPVisionConfig", vit, pixels),
        ("SegformerForSemanticSegmentation", "SegformerConfig", segformer, {"pixel_values": images(torch, 64)}),
    ):
        yield cls, (lambda c=cls, k=config, s=settings: getattr(package, c)(getattr(package, k)(**s)), inputs)


def segmentation_models(torch: Any) -> Iterator[tuple[str, Made]]:
    """Yield names, and how each model and its input are made."""
    package = imported("segmentation_models_pytorch")
    for name in ("Unet", "UnetPlusPlus", "FPN", "PSPNet", "Linknet", "DeepLabV3Plus", "MAnet"):
        make = getattr(package, name)
        yield name, (lambda m=make: m("resnet18", encoder_weights=None, classes=2), images(torch, 64))


def geometric_models(torch: Any) -> Iterator[tuple[str, Made]]:
    """Yield names, and how each model and its input are made: two graphs of six nodes."""
    models = imported("torch_geometric.nn.models")
    edges = torch.tensor([[0, 1, 1, 2, 3, 4, 4, 5], [1, 0, 2, 1, 4, 3, 5, 4]])
    x = torch.randn(6, 4, dtype=torch.float64)
    for name in ("GCN", "GraphSAGE", "GIN", "GAT", "EdgeCNN", "PNA"):
        more = {"aggregators": ["mean", "max"], "scalers": ["identity"], "deg": torch.tensor([0, 2, 4])}
        own = more if name == "PNA" else {}
        yield name, (lambda n=name, k=own: getattr(models, n)(4, 8, 2, 3, **k), {"x": x, "edge_index": edges})


PACKAGES = {
    "torchvision": torchvision_models,
    "timm": timm_models,
    "transformers": transformers_models,
    "segmentation": segmentation_models,
    "geometric": geometric_models,
}


def imported(name: str) -> Any:
    """Return a package; torchvision's operators that need its compiled part are declared, and not run."""
    import torch

    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        imported.kept = library
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module(name)


def images(torch: Any, size: int) -> Any:
    """Return two images."""
    return torch.randn(2, 3, size, size, dtype=torch.float64)


def leaves(tree: Any) -> list[Any]:
    """Return the outputs that have a gradient."""
    if isinstance(tree, Mapping):
        tree = tuple(tree.values())
    if isinstance(tree, tuple | list):
        return [leaf for item in tree for leaf in leaves(item)]
    return [tree] if getattr(tree, "requires_grad", False) else []


def called(model: Any, inputs: Any, convert: Callable[[Any], Any]) -> Any:
    """Return the outputs of a model at inputs of PyTorch."""
    if isinstance(inputs, Mapping):
        return model(**{name: convert(x) for name, x in inputs.items()})
    return model(convert(inputs))


def apart(ours: Any, theirs: Any) -> float:
    """Return the largest difference, relative to the largest value or 1."""
    return float(np.abs(ours - theirs).max(initial=0.0)) / max(1.0, float(np.abs(theirs).max(initial=0.0)))


def compared(torch: Any, make: Callable[[], Any], inputs: Any) -> tuple[Any, float, float]:
    """Return a converted model, and how far outputs and gradients are from PyTorch's."""
    torch.manual_seed(0)
    module = make().double().eval()
    model = from_torch(module, inputs, trace=True)
    expected = leaves(called(module, inputs, lambda x: x))
    found = leaves(called(model, inputs, lambda x: x.numpy()))
    bars = [np.random.default_rng(k).normal(size=y.shape) for k, y in enumerate(found)]
    sum((y * torch.from_numpy(bar).to(y)).sum() for y, bar in zip(expected, bars, strict=True)).backward()
    sum((y * bar.astype(y.dtype)).sum() for y, bar in zip(found, bars, strict=True)).backward()
    outputs = max(apart(y.numpy(), t.detach().numpy()) for y, t in zip(found, expected, strict=True))
    gradients = [0.0]
    ours = dict(model.named_parameters())
    for name, parameter in module.named_parameters():
        grad = 0.0 if ours[name].grad is None else ours[name].grad.numpy()
        theirs = torch.view_as_real(parameter.grad) if parameter.is_complex() else parameter.grad
        gradients.append(apart(grad, np.zeros(1) if theirs is None else theirs.numpy()))
    return model, outputs, max(gradients)


@contextmanager
def lifted(torch: Any) -> Iterator[None]:
    """Let what a model computes in float32 be float64, while it runs in PyTorch and while it is traced."""
    kept = torch.float32, torch.float, torch.Tensor.float, torch.get_default_dtype()
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = kept[:3]
        torch.set_default_dtype(kept[3])


class Given(cr.nn.Module):
    """A model whose arguments, in order, have names."""

    def __init__(self, inner: Any, names: list[str]) -> None:
        super().__init__()
        self.inner, self.names = copy.deepcopy(inner), names

    def forward(self, *args: Any) -> Any:
        """Return the model's outputs."""
        given = args[0] if isinstance(args[0], tuple) else args
        return self.inner(**dict(zip(self.names, given, strict=True)))


def own_loss(y: Any, _: Any) -> Any:
    """Return how far all outputs are from 1."""
    return sum(((part - 1) ** 2).mean() for part in leaves(y))


def used(model: Any, make: Callable[[], Any], inputs: Any) -> list[str]:
    """Return whether explain, graph, compile and the doctor work on a model: every equation is to be verified."""

    def loss(model: Any) -> Any:
        return sum((y * y).mean() for y in leaves(called(model, inputs, lambda x: x.numpy())))

    def explained() -> str:
        derivation = cr.explain(loss, model)
        if not derivation.ok:
            kinds = sorted({step.operation for step in derivation.unverified})
            raise ValueError(f"{len(derivation.unverified)} steps are not verified: {', '.join(kinds)}")
        inside = sum(bool(step.module) for step in derivation.forward)
        return f"yes {derivation.equations()}, {inside}/{len(derivation.forward)}"

    def same() -> str:
        compiled = cr.compile(loss)
        values = [float(compiled(model)) for _ in range(3)]
        if not np.allclose(values, float(loss(model)), rtol=BAR):
            raise ValueError("the compiled loss is another one")
        return "yes"

    def examined() -> str:
        batch = inputs if isinstance(inputs, Mapping) else {model.names[0]: inputs}
        rows = [tuple(x.numpy() for x in batch.values())]
        training = from_torch(make().double().train(), inputs, trace=True)
        cr.seed(0)
        diagnosis = cr.doctor(Given(training, list(batch)), own_loss, [(rows[0], np.zeros(2))], budget=30)
        return "+".join(one.code for one in diagnosis.verdicts)

    said = []
    for use in (explained, lambda: str(cr.graph(loss, model))[:0] + "yes", same, examined):
        try:
            said.append(use())
        except Exception as error:  # the others are to be heard
            said.append(f"no: {type(error).__name__}: {str(error)[:160]}")
    return said


def row(torch: Any, name: str, made: Made, uses: bool) -> tuple[list[str], bool]:
    """Return a line of the table, and whether all is well."""
    began = time.perf_counter()
    try:
        model, outputs, gradients = compared(torch, *made)
    except Exception as error:  # the others are to be heard
        return [name, f"{type(error).__name__}: {str(error)[:90]}", "", "", "", "", "", ""], False
    single = any(step.dtypes == np.float32 for step in model.graphs[False].steps)
    good, mark = max(outputs, gradients) <= (BAR_IN_SINGLE if single else BAR), ""
    if single:
        with lifted(torch):
            model, *again_apart = compared(torch, *made)
        again = max(again_apart)
        good, mark = good and again <= BAR, f"* ({again:.0e})"
    said = used(model, *made) if uses else ["-"] * 4
    seconds = f"{time.perf_counter() - began:.0f}"
    return [name, f"{outputs:.0e}{mark}", f"{gradients:.0e}{mark}", *said, seconds], good and "no" not in " ".join(said)


def main(only: str, quick: bool) -> int:
    """Print the table; return how many models failed."""
    import torch

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(machine())
    rows, failed = [], 0
    for package, models in PACKAGES.items():
        uses = True
        try:
            for name, made in models(torch):
                if only in f"{package}.{name}":
                    line, good = row(torch, f"{package}.{name}", made, uses)
                    print("  ".join(line), flush=True)
                    rows.append(line)
                    failed += not good
                    uses = not quick
        except ImportError as error:
            print(f"SKIPPED {package}: {error}", file=sys.stderr)
    print(table(["model", "outputs", "gradients", "explain", "graph", "compile", "doctor", "seconds"], rows))
    print(f"{len(rows) - failed} of {len(rows)} models are PyTorch's")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--quick", action="store_true", help="explain, graph and compile one model of each package")
    given = parser.parse_args()
    sys.exit(min(1, main(given.only, given.quick)))
