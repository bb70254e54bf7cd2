"""The report's sections for tables that are read in blocks."""

from collections.abc import Iterator

from chainrule.jobs.training.sections import Sections
from chainrule.jobs.training.streamed import StreamedJob
from chainrule.jobs.training.streamed_score import StreamedScore
from chainrule.jobs.training.table_report import confusion, images, predictions, result
from chainrule.present.html import Markup
from chainrule.present.page import pairs
from chainrule.present.texts import Texts, Words

TEXT: Texts = {
    "rows": {"en": "rows", "ko": "행"},
    "rows_held_out": {"en": "{kept:,} for training, {held:,} held out", "ko": "학습 {kept:,}개, 검증 {held:,}개"},
    "reading": {"en": "reading", "ko": "읽기"},
    "in_blocks": {
        "en": "in blocks, {size:,.1f} MB in {files} file(s); held out is each row whose number, hashed with the seed, "
        "says so",
        "ko": "블록 단위, 파일 {files}개 {size:,.1f} MB; 행 번호와 시드의 해시값으로 검증 데이터를 골랐습니다",
    },
}


def _held_out(job: StreamedJob, score: StreamedScore, words: Words) -> Iterator[tuple[str, Markup | None]]:
    yield words["confusion"], (confusion if job.is_classification else predictions)(job, score, words)
    if job.is_classification and len(score.mistakes):
        x = job.scaling.inverse(score.mistakes)
        yield words["mistakes"], images(job, x, score.truth, score.predicted, words)


def _data(job: StreamedJob, words: Words) -> Markup:
    data = job.data
    said = {
        "rows": words("rows_held_out", kept=len(job.training), held=len(job.held_out)),
        "features": str(len(data.feature_names)),
        "classes": ", ".join(data.class_names),
        "source": data.source,
        "reading": words("in_blocks", size=data.files.nbytes / 1e6, files=len(data.files.paths)),
    }
    return pairs((words[key], value) for key, value in said.items())


SECTIONS = Sections(result, _held_out, _data, text=TEXT)
