"""What callbacks write: the CSV log, TensorBoard's event files, the progress bar."""

import csv
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.train import Callback, CSVLog, EventFile, History, ProgressBar, TensorBoard, fit
from chainrule.train.event_file import Histogram, crc32c


def train(callbacks, epochs=3, history=None):
    cr.seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3))
    loader = DataLoader((x, (x.sum(axis=1) > 0).astype(np.int64)), batch_size=16)
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        loader,
        epochs,
        validation=loader,
        callbacks=callbacks,
        history=history,
    )


# The CSV log


def test_the_csv_log_is_the_history(tmp_path):
    path = tmp_path / "log.csv"
    history = train([CSVLog(path)])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 3
    for row, measured in zip(rows, history, strict=True):
        assert {key: float(value) for key, value in row.items()} == measured
    train([CSVLog(path)], epochs=1, history=history)
    assert [row["epoch"] for row in csv.DictReader(path.read_text().splitlines())] == ["1", "2", "3", "4"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_csv_log_takes_new_columns(tmp_path):
    class Measure(Callback):
        def on_epoch_end(self, run):
            if run.epoch == 2:
                run.history.last["measure"] = 7.0

    train([Measure(), CSVLog(tmp_path / "log.csv")], epochs=2)
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["measure"] for row in rows] == ["", "7.0"]


# Event files, read by a decoder that was written from the formats' descriptions and shares nothing with the writer


def fields(message):
    """The (number, value) pairs of a Protocol Buffers message."""
    stream = io.BytesIO(message)

    def varint():
        value, shift = 0, 0
        while True:
            byte = stream.read(1)[0]
            value |= (byte % 128) << shift
            shift += 7
            if byte < 128:
                return value

    found = []
    while stream.tell() < len(message):
        key = varint()
        match key % 8:
            case 0:
                value = varint()
            case 1:
                (value,) = struct.unpack("<d", stream.read(8))
            case 2:
                value = stream.read(varint())
            case 5:
                (value,) = struct.unpack("<f", stream.read(4))
        found.append((key // 8, value))
    return found


def bitwise_crc32c(data):
    remainder = 2**32 - 1
    for bit in (byte >> k & 1 for byte in data for k in range(8)):
        remainder = remainder >> 1 ^ (0x82F63B78 if (remainder ^ bit) & 1 else 0)
    return remainder ^ 2**32 - 1


def unmasked(checksum):
    rotated = (checksum - 0xA282EAD8) % 2**32
    return (rotated << 15 | rotated >> 17) % 2**32


def scalars(path):
    """The file's version, and (step, wall time, {tag: value}) of each further event."""
    content, messages = path.read_bytes(), []
    while content:
        (length, checksum), content = struct.unpack("<QI", content[:12]), content[12:]
        assert unmasked(checksum) == bitwise_crc32c(struct.pack("<Q", length))
        message, (checksum,) = content[:length], struct.unpack("<I", content[length : length + 4])
        assert unmasked(checksum) == bitwise_crc32c(message)
        messages.append(dict(fields(message)))
        content = content[length + 4 :]
    events = []
    for message in messages[1:]:
        values = [dict(fields(value)) for number, value in fields(message[5]) if number == 1]
        events.append((message[2], message[1], {v[1].decode(): v[2] for v in values}))
    return messages[0][3].decode(), events


@given(st.binary(max_size=50))
def test_the_checksum_is_crc32c(data):
    assert crc32c(data) == bitwise_crc32c(data)


def test_the_checksums_of_rfc_3720():
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2**62),
        st.floats(0, 2e9),
        st.dictionaries(st.text(max_size=8), st.floats(width=32, allow_nan=False), min_size=1, max_size=3),
    ),
    max_size=5,
)


@pytest.mark.slow
@given(EVENTS)
def test_what_is_written_is_read(tmp_path_factory, events):
    with EventFile(tmp_path_factory.mktemp("runs")) as file:
        for step, wall_time, values in events:
            file.write(step, values, wall_time)
    version, found = scalars(file.path)
    assert version == "brain.Event:2"
    assert found == events


def test_tensorboard_gets_the_rows_and_the_batches(tmp_path):
    history = train([TensorBoard(tmp_path / "runs", batches=True)])
    (path,) = (tmp_path / "runs").iterdir()
    _, events = scalars(path)
    epochs = [(step, values) for step, _, values in events if "loss" in values]
    assert [step for step, _ in epochs] == [1, 2, 3]
    for (_, values), row in zip(epochs, history, strict=True):
        assert values == {key: np.float32(value) for key, value in row.items() if key != "epoch"}
    assert [step for step, _, values in events if "batch/loss" in values] == list(range(1, 10))


def test_an_event_file_is_closed_after_an_error_and_each_run_has_its_own(tmp_path):
    class Fails(Callback):
        def on_epoch_end(self, run):
            raise KeyError

    board = TensorBoard(tmp_path)
    with pytest.raises(KeyError):
        train([board, Fails()])
    assert board.file is None
    train([board], epochs=1)
    assert len(list(tmp_path.iterdir())) == 2


def test_tensorboard_itself_reads_the_file(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    history = train([TensorBoard(tmp_path)])
    found = reader.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in found.Scalars("val_loss")] == [1, 2, 3]
    assert [event.value for event in found.Scalars("loss")] == pytest.approx(history["loss"], rel=1e-6)


# The progress bar


def test_the_progress_bar_ends_where_the_training_does():
    console = pytest.importorskip("rich.console", reason="needs pip install '.[app]'")
    screen = io.StringIO()
    history = train([ProgressBar(console.Console(file=screen, width=120))], epochs=2)
    assert "epoch 2/2" in screen.getvalue()
    train([ProgressBar(console.Console(file=screen, width=120))], epochs=1, history=history)
    assert "epoch 3/3" in screen.getvalue()
    assert f"val accuracy {100 * history.last['val_accuracy']:.2f} %" in screen.getvalue()


def test_the_progress_bar_lets_go_after_an_error():
    console = pytest.importorskip("rich.console", reason="needs pip install '.[app]'")

    class Fails(Callback):
        def on_batch_end(self, run):
            raise KeyError

    bar = ProgressBar(console.Console(file=io.StringIO()))
    with pytest.raises(KeyError):
        train([bar, Fails()], history=History())
    assert bar._progress.finished is False
    assert not bar._progress.live.is_started


def test_a_number_beyond_float32_is_infinite(tmp_path):
    with EventFile(tmp_path) as file:
        file.write(1, {"norm": 1e300, "minus": -1e300})
    ((_, _, values),) = scalars(file.path)[1]
    assert values == {"norm": np.inf, "minus": -np.inf}


def test_histograms_and_texts_as_tensorboard_reads_them(tmp_path):
    pytest.importorskip("tensorboard", reason="reads what was written: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    values = np.random.default_rng(0).normal(size=200)
    with EventFile(tmp_path) as file:
        found = Histogram.of(values, 12)
        file.write(3, {"loss": 0.5}, histograms={"weights": found}, texts={"verdict": "**vanishing** in 0"})
    read = EventAccumulator(str(tmp_path), size_guidance={"histograms": 0, "tensors": 0})
    read.Reload()
    (event,) = read.Histograms("weights")
    histogram = event.histogram_value
    assert event.step == 3
    assert sum(histogram.bucket) == histogram.num == 200
    assert histogram.sum == pytest.approx(values.sum())
    assert histogram.sum_squares == pytest.approx((values**2).sum())
    assert (histogram.min, histogram.max) == pytest.approx((values.min(), values.max()))
    assert list(histogram.bucket_limit) == pytest.approx(found.edges[1:])
    assert read.Scalars("loss")[0].value == 0.5
    (text,) = read.Tensors("verdict")
    assert list(text.tensor_proto.string_val) == [b"**vanishing** in 0"]
    assert read.SummaryMetadata("verdict").plugin_data.plugin_name == "text"


def test_a_histogram_of_nothing_and_one_of_wrong_length():
    assert Histogram.of([np.nan, np.inf]) is None
    assert Histogram.of(np.ones(3)).number == 3
    with pytest.raises(ValueError, match="one edge more than counts"):
        Histogram([1, 2], [0.0, 1.0], 3, 0.0, 0.0)
