"""The frame of the page: every control with its name. The modules next to this file bring it to life."""

from collections.abc import Iterator

from chainrule.explore.texts import TEXT
from chainrule.present.html import Markup, join, tag
from chainrule.present.texts import Words


def shell(lang: str, gallery: Markup | None = None, heading: int = 1) -> Markup:
    """Return the frame, with a heading of this level; a `gallery` is shown on top."""
    words = Words(TEXT, lang)
    return tag(
        "div",
        _top(words, heading),
        gallery,
        tag(
            "div",
            _passes(words),
            _status(words),
            tag("div", _graph(words), _step(words), class_="columns"),
            _derivation(words),
            tag("div", _change(words), _training(words), class_="columns"),
            _compare(words),
            _take_along(words),
            class_="work",
        ),
        class_="chainrule explorer",
        lang=lang,
        data_explorer="",
    )


def _top(words: Words, heading: int) -> Markup:
    return tag(
        "header",
        tag(f"h{heading}", words["title"], " ", tag("span", class_="soft", data_subject="")),
        tag("p", words["lead"], class_="soft live"),
        tag("p", words["lead recorded"], class_="soft recording"),
    )


def button(words: Words, key: str, name: str, **attributes: object) -> Markup:
    """Return a button; the page finds it by its name."""
    return tag("button", words[key], type="button", **{f"data_{name}": "", **attributes})


def _passes(words: Words) -> Markup:
    speed = tag(
        "select",
        (tag("option", f"{n}×", value=n, selected=n == 2) for n in (0.5, 1, 2, 5, 20)),
        data_speed="",
        aria_label=words["Speed"],
    )
    position = tag("input", type="range", min=0, max=1, value=0, aria_label=words["Position"], data_position="")
    names = ("Rewind", "Forward", "Backward", "End", "Play", "Pause")
    return tag(
        "div",
        (button(words, name, name.lower()) for name in names),
        speed,
        button(words, "Predict first", "predict", aria_pressed="false"),
        tag("span", position, tag("output", data_now="", aria_label=words["Position"]), class_="grow"),
        class_="bar",
        role="group",
        aria_label=words["passes"],
    )


def _status(words: Words) -> Markup:
    loss = tag(
        "div",
        tag("b", words["Loss"]),
        " ",
        tag("span", words["loss unknown"], class_="number", data_loss_text=""),
        tag("span", class_="soft", data_loss_said=""),
        role="status",
        aria_label=words["Loss"],
        class_="loss",
        data_status="",
    )
    running = tag(
        "div",
        tag("progress", data_progress="", max=1, value=0, aria_label=words["training"]),
        tag("span", data_progress_text=""),
        button(words, "Stop", "stop"),
        data_busy="",
        hidden=True,
        class_="bar",
    )
    note = tag("p", data_note="", role="alert", class_="note")
    return tag("div", loss, running, note, _question(words))


def _question(words: Words) -> Markup:
    field = tag("input", type="number", step="any", aria_label=words["Prediction"], data_guess="")
    form = tag(
        "form",
        tag("b", data_asked=""),
        field,
        tag("button", words["Check"], type="submit"),
        button(words, "Show", "show"),
        hidden=True,
        data_question="",
        class_="bar",
    )
    return join(form, tag("p", data_verdict="", role="log"))


def _graph(words: Words) -> Markup:
    search = tag(
        "input", type="search", aria_label=words["Search"], placeholder=words["Search"], list="explorer-names",
        data_search="",
    )  # fmt: skip
    blocks = tag(
        "span",
        button(words, "Open blocks", "open_all"),
        button(words, "Close blocks", "close_all"),
        tag("span", data_closers=""),
        hidden=True,
        data_blocks="",
    )
    tools = tag(
        "div",
        (button(words, key, name) for key, name in (("Zoom in", "zoom_in"), ("Zoom out", "zoom_out"), ("Fit", "fit"))),
        search,
        tag("datalist", id="explorer-names", data_names=""),
        blocks,
        class_="bar",
    )
    canvas = tag("div", class_="canvas", data_canvas="", role="group", aria_label=words["graph"], tabindex=0)
    return tag(
        "section",
        tag("h2", words["graph"]),
        tools,
        tag("p", data_graph_note="", class_="soft"),
        canvas,
        tag("p", words["keys"], class_="soft"),
        aria_label=words["graph"],
    )


def _step(words: Words) -> Markup:
    return tag(
        "section",
        tag("h2", words["Step"]),
        tag("div", words["nothing chosen"], data_panel="", tabindex=0),
        role="region",
        aria_label=words["Step"],
        class_="step",
        data_step="",
    )


def _derivation(words: Words) -> Markup:
    return tag(
        "section",
        tag("h2", words["Derivation"]),
        tag("div", data_equations="", class_="columns"),
        aria_label=words["Derivation"],
    )


def _change(words: Words) -> Markup:
    more = tag(
        "label", words["Entry"], " ", tag("input", type="text", data_entry="", placeholder=words["entry hint"],
                                          data_python="", autocomplete="off")
    )  # fmt: skip
    more = Markup(more.replace("data-entry", "data-another"))
    return tag(
        "section",
        tag("h2", words["change"]),
        tag("p", words["change said"], class_="soft live"),
        tag("p", words["needs python"], class_="soft recording"),
        tag(
            "div",
            button(words, "Undo", "undo", data_python=""),
            button(words, "Reset", "reset", data_python=""),
            class_="bar",
        ),
        tag("div", data_editors=""),
        more,
        aria_label=words["change"],
    )


def _training(words: Words) -> Markup:
    rate = tag(
        "input", type="number", step="any", min=0, aria_label=words["Learning rate"], data_rate="", data_python=""
    )
    chosen = tag("select", aria_label=words["Optimizer"], data_optimizer="", data_python="")
    time = tag("input", type="range", min=0, max=0, value=0, aria_label=words["Time"], data_time="")
    buttons = (
        ("Train step", "train"),
        ("Train 10", "train10"),
        ("Train 100", "train100"),
        ("Ask the doctor", "doctor"),
    )
    return tag(
        "section",
        tag("h2", words["training"]),
        tag("p", words["needs python"], class_="soft recording"),
        tag("div", (button(words, key, name, data_python="") for key, name in buttons), class_="bar"),
        tag(
            "div",
            tag("label", words["Learning rate"], " ", rate),
            tag("label", words["Optimizer"], " ", chosen),
            class_="bar",
        ),
        tag("div", tag("label", words["Time"], " ", time, class_="grow"), tag("span", data_time_text=""), class_="bar"),
        tag("div", data_charts=""),
        aria_label=words["training"],
    )


def _compare(words: Words) -> Markup:
    chosen = tag("select", aria_label=words["Compare with"], data_with="", data_python="")
    return tag(
        "section",
        tag("h2", words["Compare"]),
        tag("p", words["compare said"], class_="soft"),
        tag("label", words["Compare with"], " ", chosen),
        tag("div", data_compared=""),
        aria_label=words["Compare"],
        class_="live",
    )


def _take_along(words: Words) -> Markup:
    def saved() -> Iterator[Markup]:
        yield button(words, "link", "link")
        yield button(words, "save html", "save_html", data_python="")
        yield button(words, "save svg", "save_svg")
        yield button(words, "save png", "save_png")
        yield button(words, "save tex", "save_tex")

    return tag("section", tag("h2", words["take"]), tag("div", saved(), class_="bar"), aria_label=words["take"])
