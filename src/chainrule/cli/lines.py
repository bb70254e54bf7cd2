"""What the commands say while they work and when they are done, in Korean where `--lang ko` is given.

As in `messages`, the lines are written in English where they are said, and known here by their pattern; what is not
known stays in English.
"""

import re
from collections.abc import Sequence

from .clauses import said_with
from .messages import with_particles

_LINES: Sequence[tuple[str, str]] = (
    # what the data are
    (
        r"Data\((?P<a>.+): (?P<n>\d+) samples, (?P<m>\d+) features, classification, (?P<c>\d+) classes\)",
        "데이터 {a}: 표본 {n}개, 특성 {m}개, 분류, 클래스 {c}개",
    ),
    (
        r"Data\((?P<a>.+): (?P<n>\d+) samples, (?P<m>\d+) features, regression\)",
        "데이터 {a}: 표본 {n}개, 특성 {m}개, 회귀",
    ),
    (r"(?P<a>.+): a text of (?P<n>[\d,]+) characters", "{a}: 글자 {n}개의 글"),
    (r"(?P<a>.+): (?P<n>[\d,]+) pictures, (?P<c>\d+) classes", "{a}: 그림 {n}장, 클래스 {c}개"),
    (r"held out: the last (?P<n>[\d,]+) characters", "평가용: 마지막 글자 {n}개"),
    (r"held out: the last (?P<n>[\d,]+) rows?, from (?P<a>.+)", "평가용: {a}부터 마지막 {n}행"),
    (r"(?P<n>[\d,]+) to train on, (?P<m>[\d,]+) held out", "학습용 {n}, 평가용 {m}"),
    (r"it repeats every (?P<n>\d+) rows?", "{n}행마다 되풀이됩니다"),
    (r"no period was found", "주기를 찾지 못했습니다"),
    (
        r"(?P<n>[\d,]+) training windows of (?P<a>\d+) rows, each with the (?P<b>\d+) after it",
        "{a}행짜리 학습 구간 {n}개, 각각 그 뒤의 {b}행과 함께",
    ),
    (r"(?P<n>[\d.,]+) MB in memory", "메모리 {n} MB"),
    (r"in training, they are unchanged", "학습할 때 바꾸지 않습니다"),
    (r"in training, they are changed at random: (?P<a>.+)", "학습할 때 무작위로 바꿉니다: {a}"),
    # what the columns of a table are taken for
    (r"(?P<a>.+): numbers, from (?P<x>\S+) to (?P<y>\S+)", "{a}: 수, {x}부터 {y}까지"),
    (
        r"perhaps only the numbers of the rows: --without (?P<a>.+) leaves them out",
        "행 번호일 뿐이라면 --without {a}{으로} 뺍니다",
    ),
    (r"(?P<a>.+): true or false", "{a}: 참 또는 거짓"),
    (r"(?P<a>.+): text, one-hot", "{a}: 텍스트, 원-핫"),
    (r"(?P<n>\d+) categories: (?P<b>.+)", "범주 {n}개: {b}"),
    (r"(?P<a>.+): dates, year-month-day, from (?P<x>[^;]+) to (?P<y>[^;]+)", "{a}: 날짜(년-월-일), {x}부터 {y}까지"),
    (r"(?P<a>.+): dates, day-month-year, from (?P<x>[^;]+) to (?P<y>[^;]+)", "{a}: 날짜(일-월-년), {x}부터 {y}까지"),
    (r"(?P<a>.+): dates, month-day-year, from (?P<x>[^;]+) to (?P<y>[^;]+)", "{a}: 날짜(월-일-년), {x}부터 {y}까지"),
    (
        r"(?P<a>.+): dates, with the month's name, from (?P<x>[^;]+) to (?P<y>[^;]+)",
        "{a}: 날짜(달의 이름), {x}부터 {y}까지",
    ),
    (r"days since (?P<x>\S+)", "{x}부터의 날수"),
    (r"days since (?P<x>\S+) and the place in the year", "{x}부터의 날수와 한 해 안의 위치"),
    (r"days since (?P<x>\S+) and the place in the week", "{x}부터의 날수와 한 주 안의 위치"),
    (r"days since (?P<x>\S+) and the place in the day", "{x}부터의 날수와 하루 안의 위치"),
    (r"days since (?P<x>\S+) and the place in the year and week", "{x}부터의 날수와 한 해와 한 주 안의 위치"),
    (r"days since (?P<x>\S+) and the place in the year and day", "{x}부터의 날수와 한 해와 하루 안의 위치"),
    (r"days since (?P<x>\S+) and the place in the week and day", "{x}부터의 날수와 한 주와 하루 안의 위치"),
    (
        r"days since (?P<x>\S+) and the place in the year and week and day",
        "{x}부터의 날수와 한 해와 한 주와 하루 안의 위치",
    ),
    (
        r"(?P<n>[\d,]+) missing, filled with the training part's most frequent category",
        "빠진 값 {n}개는 학습용에서 가장 잦은 범주로 채움",
    ),
    (r"(?P<n>[\d,]+) missing, filled with the training part's mean", "빠진 값 {n}개는 학습용의 평균으로 채움"),
    (r"(?P<n>[\d,]+) missing, filled with the training part's median", "빠진 값 {n}개는 학습용의 중앙값으로 채움"),
    (r"(?P<n>[\d,]+) missing, said by a feature", "빠진 값 {n}개는 특성으로 나타냄"),
    (
        r"(?P<n>[\d,]+) missing, said by a feature, and filled with the training part's median",
        "빠진 값 {n}개는 특성으로 나타내고 학습용의 중앙값으로 채움",
    ),
    (
        r"(?P<n>[\d,]+) of (?P<m>[\d,]+) rows have missing values and are left out",
        "빠진 값이 있는 행은 뺌: {m}행 중 {n}행",
    ),
    (r"left out, as asked: (?P<a>.+)", "지정한 대로 뺌: {a}"),
    (r"(?P<a>.+): the target", "{a}: 목표"),
    (r"a classification, because it is text", "텍스트이므로 분류"),
    (r"a classification, as asked", "지정한 대로 분류"),
    (r"a regression, as asked", "지정한 대로 회귀"),
    (
        r"a classification, because it takes only (?P<n>\d+) different whole numbers in (?P<m>\d+) rows",
        "{m}행에 서로 다른 정수가 {n}개뿐이므로 분류",
    ),
    (r"--task regression to treat it as a quantity", "양으로 다루려면 --task regression"),
    (
        r"a regression, because it takes (?P<n>\d+) different values in (?P<m>\d+) rows",
        "{m}행에 서로 다른 값이 {n}개이므로 회귀",
    ),
    (
        r"a regression, because it takes (?P<n>\d+) different values in (?P<m>\d+) rows, not all of them whole",
        "{m}행에 정수만이 아닌 서로 다른 값이 {n}개이므로 회귀",
    ),
    (r"(?P<n>\d+) classes", "클래스 {n}개"),
    (r"(?P<a>.+): the pictures", "{a}: 그림"),
    (r"(?P<a>.+): the class", "{a}: 클래스"),
    (r"ignored columns: (?P<a>.+)", "쓰지 않는 열: {a}"),
    # the network
    (
        r"network: (?P<n>\d+) layers, (?P<h>\d+) heads, width (?P<w>\d+), context (?P<c>\d+)(?: tokens)?",
        "망: 층 {n}개, 헤드 {h}개, 너비 {w}, 문맥 {c}토큰",
    ),
    (r"network: (?P<a>\S+), (?P<n>[\d,]+) parameters", "망: {a}, 매개변수 {n}개"),
    (r"network: (?P<a>\S+)", "망: {a}"),
    (r"(?P<n>[\d,]+) epochs? of (?P<m>[\d,]+) steps?", "에폭 {n}개, 에폭마다 {m}단계"),
    (r"losses are in nats per token", "손실의 단위는 토큰마다 nat입니다"),
    (r"(?P<n>[\d,]+) parameters", "매개변수 {n}개"),
    # checking, training
    (
        r"gradient check: worst relative error (?P<e>\S+) over (?P<n>\d+) parameters",
        "기울기 검사: 매개변수 {n}개에서 가장 큰 상대 오차 {e}",
    ),
    (r"steps: compiled", "단계: 컴파일함"),
    (r"steps: compiled without Numba", "단계: Numba 없이 컴파일함"),
    (
        r"steps: not compiled: (?P<n>\d+) such steps would save less time than compiling takes",
        "단계: 컴파일하지 않음. 이런 단계 {n}개로 아낄 시간보다 컴파일하는 시간이 깁니다",
    ),
    (
        r"steps: not compiled: steps of several batches are not",
        "단계: 컴파일하지 않음. 배치 여럿으로 된 단계는 하지 않습니다",
    ),
    (r"steps: not compiled, as before", "단계: 앞에서처럼 컴파일하지 않음"),
    (
        r"(?P<n>[\d,]+) rows/s, (?P<s>\S+) s waiting for data, peak memory (?P<m>\d+) MB",
        "초당 {n}행, 데이터를 기다린 시간 {s}초, 최대 메모리 {m} MB",
    ),
    (r"(?P<n>[\d,]+) rows/s, (?P<s>\S+) s waiting for data", "초당 {n}행, 데이터를 기다린 시간 {s}초"),
    # how well it does
    (r"held-out accuracy (?P<p>\S+) % on (?P<n>\d+) samples", "평가용 표본 {n}개에서 정확도 {p} %"),
    (r"held-out accuracy (?P<p>\S+) % on (?P<n>\d+) pictures", "평가용 그림 {n}장에서 정확도 {p} %"),
    (r"held-out root mean square error (?P<e>\S+) on (?P<n>\d+) samples", "평가용 표본 {n}개에서 평균 제곱근 오차 {e}"),
    (
        r"held-out loss (?P<e>\S+) nats per character, perplexity (?P<p>\S+) per token, on (?P<n>[\d,]+) tokens",
        "평가용 토큰 {n}개에서 손실 {e}(글자마다 nat), 혼란도 {p}(토큰마다)",
    ),
    (
        r"held-out mean absolute error (?P<e>\S+) on (?P<n>[\d,]+) forecast values",
        "평가용 예측값 {n}개에서 평균 절대 오차 {e}",
    ),
    (
        r"repeating the last value (?P<a>[^\s,:]+), repeating the last (?P<n>\d+) rows (?P<b>[^\s:]+): (?P<c>.+)",
        "마지막 값을 되풀이하면 {a}, 마지막 {n}행을 되풀이하면 {b}: {c}",
    ),
    (r"repeating the last value (?P<a>[^\s,:]+): (?P<c>.+)", "마지막 값을 되풀이하면 {a}: {c}"),
    # what is written, and what a model file says of itself
    (r"model: (?P<a>.+)", "모델: {a}"),
    (r"report: (?P<a>.+)", "보고서: {a}"),
    (r"explorer: (?P<a>.+)", "탐색기: {a}"),
    (r"answers written: (?P<n>\d+): (?P<a>.+)", "적은 답 {n}개: {a}"),
    (r"(?P<n>[\d,]+) predictions?: (?P<a>.+)", "예측 {n}개: {a}"),
    (r"input (?P<a>[^;]+)", "입력 {a}"),
    (r"output (?P<a>[^;]+)", "출력 {a}"),
    (
        r"largest difference (?P<e>\S+) on (?P<n>[\d,]+) (?:rows?|pictures?|windows?) made up",
        "지어낸 {n}개에서 가장 큰 차이 {e}",
    ),
    (
        r"largest difference (?P<e>\S+) on (?P<n>[\d,]+) (?:rows?|pictures?|windows?) of (?P<a>.+)",
        "{a}의 {n}개에서 가장 큰 차이 {e}",
    ),
    (r"task: classification", "과제: 분류"),
    (r"task: regression", "과제: 회귀"),
    (r"task: classification of pictures", "과제: 그림의 분류"),
    (r"task: predicting the next token of a text", "과제: 글의 다음 토큰 예측"),
    (r"data: (?P<a>.+)", "데이터: {a}"),
    (r"features: (?P<a>.+)", "특성: {a}"),
    (r"target: (?P<a>.+)", "목표: {a}"),
    (r"classes: (?P<a>.+)", "클래스: {a}"),
    (r"tokens: (?P<a>.+)", "토큰: {a}"),
    (r"missing values: (?P<a>.+)", "빠진 값: {a}"),
    (r"unknown categories: (?P<a>.+)", "모르는 범주: {a}"),
    (r"hidden layers: none", "은닉층: 없음"),
    (r"hidden layers: (?P<a>.+)", "은닉층: {a}"),
    (r"dropout (?P<a>\S+)", "드롭아웃 {a}"),
    (r"pictures: (?P<a>.+)", "그림: {a}"),
    (r"other shapes are fitted by: (?P<a>.+)", "다른 모양은 이렇게 맞춥니다: {a}"),
    (
        r"trained: (?P<n>\d+) epochs? in batches of (?P<b>\d+), learning rate (?P<r>[^,]+), weight decay (?P<w>[^,]+)"
        r"(?:, dropout (?P<d>[^,]+))?, seed (?P<s>\d+)",
        "학습: 배치 {b}개씩 에폭 {n}개, 학습률 {r}, 가중치 감쇠 {w}, 시드 {s}",
    ),
    (
        r"trained: (?P<n>\d+) epochs? in batches of (?P<b>\d+), learning rate (?P<r>[^,]+), weight decay (?P<w>[^,]+), "
        r"label smoothing (?P<l>[^,]+), changes (?P<c>[^,]+), seed (?P<s>\d+)",
        "학습: 배치 {b}개씩 에폭 {n}개, 학습률 {r}, 가중치 감쇠 {w}, 레이블 평활화 {l}, 변형 {c}, 시드 {s}",
    ),
    (
        r"task: forecasting (?P<a>.+), (?P<n>\d+) rows from the (?P<m>\d+) before them",
        "과제: 앞의 {m}행으로 {a}의 다음 {n}행 예측",
    ),
    (r"rows: every (?P<a>.+)", "행의 간격: {a}"),
    (r"rows: at irregular times", "행의 간격: 일정하지 않음"),
    (r"inputs(?: besides it)?: (?P<a>.+)", "입력: {a}"),
    (r"network: (?P<a>\S+), (?P<n>\d+) units, dropout (?P<d>\S+)", "망: {a}, 유닛 {n}개, 드롭아웃 {d}"),
    (r"--data (?:FILE|FOLDER) compares on real ones", "--data로 실제 데이터와 비교할 수 있습니다"),
    (r"epoch (?P<n>\d+) writes: (?P<a>.*)", "에폭 {n}에서 쓴 글: {a}"),
    # the installation
    (
        r"compiled kernels: (?P<a>.+) \(or Numba's folder of the user, where that cannot be written to\)",
        "컴파일한 커널: {a}(쓸 수 없으면 사용자의 Numba 폴더)",
    ),
    (r"compiled kernels: (?P<a>.+)", "컴파일한 커널: {a}"),
    (r"kernels of captured programs: (?P<a>.+) \((?P<n>[\d,]+) bytes\)", "붙잡은 프로그램의 커널: {a} ({n}바이트)"),
    (r"kernels of captured programs: (?P<a>.+)", "붙잡은 프로그램의 커널: {a}"),
    (r"(?P<n>\d+) operations", "연산 {n}개"),
    (r"chainrule info --operations lists them", "chainrule info --operations로 볼 수 있습니다"),
    (r"  (?P<a>\S+) not installed", "  {a}: 설치되지 않음"),
    (r"(?P<a>.+): (?P<n>\d+) files removed", "{a}: 파일 {n}개를 지웠습니다"),
)
_VERDICTS = (
    (r"(?P<p>\d+) % better than naive", "단순한 예측보다 {p} % 낫습니다"),
    (r"no better than naive \((?P<p>-?\d+) % worse\)", "단순한 예측보다 낫지 않습니다({p} % 나쁨)"),
    (r"nothing to compare", "비교할 것이 없습니다"),
)
_KNOWN = tuple((re.compile(pattern), said) for pattern, said in (*_LINES, *_VERDICTS))
FIGURES = {
    "epoch": "에폭",
    "loss": "손실",
    "val loss": "검증 손실",
    "accuracy": "정확도",
    "val accuracy": "검증 정확도",
}
"""The words of a progress bar."""
HEADS = {"array": "배열", "shape": "모양", "dtype": "자료형", "scalar": "스칼라"}
"""The words of a table of arrays."""


def line(text: str, lang: str) -> str:
    r"""Return what a command says, each line and each part of it that is known in the language.

    >>> line("held-out accuracy 98.89 % on 359 samples", "ko"), line("steps: compiled", "en")
    ('평가용 표본 359개에서 정확도 98.89 %', 'steps: compiled')
    >>> print(line("model: m.safetensors\nreport: r.html", "ko"))
    모델: m.safetensors
    보고서: r.html
    """
    if lang != "ko":
        return text
    return "\n".join(_line(one) for one in text.split("\n"))


def _line(text: str) -> str:
    if text.startswith("result: "):
        return f"결과: {_line(text.removeprefix('result: '))}"
    known = _part(text)
    parts = [_part(part) for part in text.split("; ")]
    return known or "; ".join(said or part for said, part in zip(parts, text.split("; "), strict=True))


def _part(text: str) -> str | None:
    for pattern, said in _KNOWN:
        if found := pattern.fullmatch(text):
            words = found.groupdict()
            if "c" in words and said.endswith(": {c}"):  # how a forecast compares
                words["c"] = _part(words["c"]) or words["c"]
            return with_particles(said_with(said, words))
    return None
