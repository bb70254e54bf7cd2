"""What reads bytes that came from elsewhere: each target takes any bytes, or refuses them with the error it promises.

`run(data)` returns where the bytes were taken or refused. Any other exception, a hang or much memory is a finding.
"""

import io
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data, nn
from chainrule.data import DataError
from chainrule.data.pictures import find
from chainrule.data.pictures.decode import BadPicture, Form, decode, read_header
from chainrule.explore.desk import Desk
from chainrule.explore.gallery import GALLERY
from chainrule.explore.server.http import Handler, Server
from chainrule.explore.server.hub import Hub
from chainrule.formula.evaluation import FormulaError, parse
from chainrule.interop.onnx.export import export
from chainrule.interop.onnx.load import load as load_onnx
from chainrule.jobs.training.pictures import PictureJob
from chainrule.learn.expression import AnswerError, evaluate
from chainrule.learn.names import Named
from chainrule.train import ModelFileError
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.picture_predictor import PicturePredictor
from chainrule.train.saved.picture_recipe import PictureRecipe
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.table_predictor import TablePredictor

from .inputs import IDX, INPUTS
from .target import Target, folder, put, saved

TABLE = b"length,width,kind\n" + 5 * b"1.5,2,a\n0.5,1,b\n2.5,3,a\n1.0,2,b\n"
HOLES = b"size,when,flag,kind\n" + 5 * b"1.5,2024-01-31,true,a\n,2024-02-29,,b\n2.5,,false,a\n1.0,2024-12-31,true,b\n"


# Data


def reads(ending: str) -> Callable[[bytes], None]:
    """A target's `run` that reads a data file with this ending."""

    def run(content: bytes) -> None:
        with suppress(DataError):
            data.load(put(f"data{ending}", content))

    return run


def holes(content: bytes) -> None:
    """A table whose holes are to be filled is read again as it was read."""
    path = put("holes.csv", content)
    with suppress(DataError):
        found = data.load(path, missing="indicator", unknown="ignore")
        np.testing.assert_array_equal(data.load_features(path, found.schema), found.x)


def parquet() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"length": [1.5, 0.5, 2.5], "kind": ["a", "b", "a"]})
    return [saved(lambda stream: pq.write_table(table, stream))]


def npz() -> list[bytes]:
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    return [
        saved(lambda stream: np.savez(stream, x=x, y=y)),
        saved(lambda stream: np.savez_compressed(stream, X=x, y=x[:, 0])),
    ]


def idx(content: bytes) -> None:
    """The pictures are the input; the labels are sound."""
    put("t-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x04\0\1\0\1")
    with suppress(DataError):
        data.load(put("t-images-idx3-ubyte", content))


def picture(content: bytes) -> None:
    """The beginning of the content says what format it is, whatever the name ends with."""
    path = put("one.png", content)
    with suppress(BadPicture), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_header(path)
        decode(path, Form(3, 4, 3))


def pictures() -> list[bytes]:
    from PIL import Image

    found = []
    for mode, format in (
        ("RGB", "PNG"),
        ("P", "PNG"),
        ("I;16", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("RGBA", "WEBP"),
    ):
        exif = Image.Exif()
        exif[0x0112] = 6
        image = Image.new(mode, (6, 5))
        found.append(saved(lambda stream, i=image, f=format, e=exif: i.save(stream, f, exif=e)))
    return found


# Models


@cache
def trained() -> bytes:
    """A model file of `chainrule train`."""
    return _trained("table.csv", TABLE)


@cache
def trained_with_holes() -> bytes:
    """A model file of `chainrule train` for a table with holes and dates."""
    return _trained("holes.csv", HOLES, "--missing", "indicator", "--unknown", "ignore")


def _trained(name: str, content: bytes, *options: str) -> bytes:
    table, path = put(name, content), folder() / "trained.safetensors"
    command = [sys.executable, "-m", "chainrule", "train", str(table), "--epochs", "1", "--hidden", "3", *options]
    outputs = ["--out", str(path), "--report", str(folder() / "report.html")]
    subprocess.run([*command, *outputs], check=True, capture_output=True)
    return path.read_bytes()


def predicted(path: Path, table: bytes = TABLE) -> None:
    with suppress(ModelFileError):
        predictor = read_predictor(path)
        with suppress(DataError, FloatingPointError):
            if isinstance(predictor, TablePredictor):
                predictor.predict(predictor.features(put("new.csv", table)))
            if isinstance(predictor, PicturePredictor):
                predictor.predict([put("new.png", pictures()[0])])


def model_file(content: bytes) -> None:
    predicted(put("model.safetensors", content))


ODD = (None, True, -1, 0, 3, 2**31, -(2**70), 1e300, float("nan"), -0.5, "", "a", "\x1b[2J", [], {}, [[]], [1.5, "a"])


def description(content: bytes) -> None:
    """Each two bytes of the input put something odd at a place of a description whose arrays are sound."""
    _described(content, trained(), TABLE)


def description_of_holes(content: bytes) -> None:
    """The same for a table that was read with choices."""
    _described(content, trained_with_holes(), HOLES)


def description_of_pictures(content: bytes) -> None:
    """The same for a network that was trained on pictures."""
    _described(content, trained_on_pictures(), TABLE)


def _described(content: bytes, model: bytes, table: bytes) -> None:
    arrays, texts = read_arrays(put("sound.safetensors", model))
    said = json.loads(texts["meta"])
    for place, odd in zip(content[::2], content[1::2], strict=False):
        holders = list(containers(said))
        holder, key = holders[place % len(holders)]
        holder[key] = deepcopy(ODD[odd % len(ODD)])
    path = folder() / "described.safetensors"
    write_arrays(path, arrays, {**texts, "meta": json.dumps(said)})
    predicted(path, table)


@cache
def trained_on_pictures() -> bytes:
    """A model file of `chainrule train` for pictures."""
    for k in range(4):
        (folder() / "photos" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        put(f"photos/{'ab'[k % 2]}/{k}.png", pictures()[0])
    path = folder() / "pictures.safetensors"
    job = PictureJob(find(folder() / "photos"), PictureRecipe(model="mlp", epochs=1))
    job.save(path, job.score())
    return path.read_bytes()


def containers(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Each value in nested lists and dicts: what holds it, and where."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from containers(value)


def onnx(content: bytes) -> None:
    with suppress(ValueError):
        load_onnx(content)


def onnx_files() -> list[bytes]:
    path = folder() / "net.onnx"
    rng = np.random.default_rng(0)
    found = []
    for layers in ([nn.Linear(2, 3, generator=rng), nn.ReLU()], [nn.Conv2d(1, 2, 3, generator=rng), nn.MaxPool2d(2)]):
        shape = (1, 2) if isinstance(layers[0], nn.Linear) else (1, 1, 6, 6)
        export(nn.Sequential(*layers), path, np.zeros(shape, np.float32))
        found.append(path.read_bytes())
    return found


# Text


def formula(content: bytes) -> None:
    with suppress(UnicodeDecodeError, FormulaError):
        parse(content.decode()).evaluate({"x": np.ones((2, 3)), "y": np.ones((2, 3)), "w": np.ones(3), "b": 0.5})


def answer(content: bytes) -> None:
    shapes = {"x": (2, 3), "W": (3, 4), "dZ": (2, 4)}
    values = [Named(name, name, np.ones(shape)) for name, shape in shapes.items()]
    with suppress(UnicodeDecodeError, AnswerError):
        evaluate(content.decode(), values)


# Programs


def program(content: bytes) -> None:
    """The input is the seed of a random program, which does compiled what it does as it is written."""
    from chainrule.compile.plan.by_numpy import loops_by_numpy

    from ..compile.program_maker import made

    found = made(int.from_bytes(content[:6], "little"))
    with loops_by_numpy():
        outcome = found.outcome()
    if outcome and not outcome.startswith("refused"):
        raise AssertionError(f"{outcome}\n{found.script()}")


# The explorer's server


@cache
def server() -> Server:
    return Server(Hub(lambda: Desk(GALLERY["neuron"].session(), "en"), "en"), port=0, with_gallery=True)


def cookie() -> bytes:
    guard = server().guard
    return guard.admit(guard.token()).split(";")[0].encode()


class Connection:
    """A socket that holds a request, and keeps the answer."""

    def __init__(self, request: bytes) -> None:
        self.request, self.answer = io.BytesIO(request), io.BytesIO()

    def makefile(self, mode: str, buffering: int = -1) -> io.BytesIO:
        return self.request if "r" in mode else self.answer

    def sendall(self, content: bytes) -> None:
        self.answer.write(content)

    def settimeout(self, seconds: float | None) -> None:
        """Nothing waits here."""

    def setsockopt(self, *option: object) -> None:
        """Nor is anything sent."""


def request(content: bytes) -> None:
    """The input is what arrives at the port; PORT and COOKIE in it are those of a page that was let in."""
    server().guard._bucket._left = server().guard._strangers._left = 100
    content = content.replace(b"PORT", str(server().port).encode()).replace(b"COOKIE", cookie())
    connection = Connection(content)
    handler = type("Own", (Handler,), {"owner": server(), "finish": lambda self: self.wfile.flush()})
    handler(connection, ("127.0.0.1", 1), server()._http)  # type: ignore[arg-type]
    said = connection.answer.getvalue()
    is_old = not re.match(rb"\S+ \S+ HTTP/", content.lstrip(b"\r\n"))  # HTTP/0.9: the answer is the body alone
    if said and not is_old and not said.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ", b"<!DOCTYPE")):
        raise AssertionError(f"not HTTP: {said[:60]!r}")
    if b" 500 " in said[:20]:
        raise AssertionError(f"the server failed: {said[:200]!r}")


def requests() -> list[bytes]:
    head = b"Host: 127.0.0.1:PORT\r\nCookie: COOKIE\r\nOrigin: http://127.0.0.1:PORT\r\n"
    acts = [{"do": "look"}, {"do": "forward"}, {"do": "load", "example": "neuron"}, {"do": "seek", "position": 3}]
    acts += [
        {"do": "edit", "node": "w", "index": [], "value": 0.5},
        {"do": "replay", "log": [{"do": "undo"}], "position": 0},
    ]
    bodies = [json.dumps({"page": "a", **act}).encode() for act in acts]
    posts = [
        b"POST /act HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (head, len(body), body)
        for body in bodies
    ]
    return [b"GET / HTTP/1.1\r\n%s\r\n" % head, b"GET /state?page=a HTTP/1.1\r\n%s\r\n" % head, *posts]


def act(content: bytes) -> None:
    """The input is the JSON that a page posts."""
    with suppress(ValueError, RecursionError):
        asked = json.loads(content)
        if isinstance(asked, dict) and asked.get("do") not in (
            "train",
            "doctor",
            "replay",
        ):  # these take time by design
            said = json.loads(json.dumps(server().hub.act(asked)))
            if re.match(r"(Key|Index|Attribute|Assertion|Runtime|Name|Unbound\w*)Error: ", said.get("error", "")):
                raise AssertionError(said["error"])


def acts() -> list[bytes]:
    return [request.split(b"\r\n\r\n")[1] for request in requests()[2:]]


FORMULAS = [
    rb"\frac{\partial L}{\partial x} = \sum_i x_i",
    rb"y = \max(x, 0)",
    rb"\sqrt{x^2 + y^2} \odot w",
    rb"[x > 0]\,\bar{y}",
]
ANSWERS = [b"x.T @ dZ", b"dZ @ W.T", b"np.sum(dZ, axis=0)", b"x * (1 - x)", rb"\frac{1}{N} x^T dZ"]
TARGETS = {
    **INPUTS,
    "csv": Target(
        reads(".csv"),
        lambda: [TABLE, TABLE.replace(b",", b";"), TABLE.split(b"\n", 1)[1]],
        (",", ";", "\t", '"', "nan", "1e400"),
    ),
    "holes": Target(
        holes,
        lambda: [HOLES, HOLES.replace(b"2024-", b"1/2/"), HOLES.decode().encode("utf-16")],
        (",", "\n", "NA", "2024-02-30", "31/12/2024", "true", "\ufeff"),
    ),
    "npz": Target(reads(".npz"), npz, ("x.npy", "y.npy", "<f8", "|O", "fortran_order", "PK")),
    "idx": Target(idx, lambda: [IDX]),
    "parquet": Target(reads(".parquet"), parquet, ("PAR1",), needs=("pyarrow",)),
    "picture": Target(picture, pictures, ("IHDR", "PLTE", "tRNS", "eXIf", "Exif", "RIFF", "VP8X")),
    "pictures": Target(description_of_pictures, lambda: [b"\0\0", b"\5\1\7\2"]),
    "model": Target(model_file, lambda: [trained()], ("data_offsets", "shape", "dtype", "F32", "meta")),
    "description": Target(description, lambda: [b"\0\0", b"\5\1\7\2"]),
    "description_of_holes": Target(description_of_holes, lambda: [b"\0\0", b"\5\1\7\2"]),
    "onnx": Target(onnx, onnx_files, ("Conv", "MatMul", "Reshape", "Loop", "If"), needs=("onnx",)),
    "formula": Target(formula, lambda: FORMULAS, (r"\frac", r"\sum_", r"\left(", r"\right)", "^", "_")),
    "answer": Target(answer, lambda: ANSWERS, ("lambda", "**", "@", ".T", "np.", "sum(", r"\frac", "if")),
    "program": Target(program, lambda: [bytes([k]) for k in range(8)]),
    "request": Target(request, requests, ("GET ", "POST ", "COOKIE", "PORT", "Content-Length: ", "/act", "/state")),
    "act": Target(act, acts, ('"do"', '"edit"', '"forward"', '"seek"', '"node"', '"index"', '"choose"', "1e999")),
}
