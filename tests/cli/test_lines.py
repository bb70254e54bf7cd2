"""What the commands say while they work is in the language that the call asks for."""

import re

import pytest
from tests.command import chainrule
from tests.named import named

from chainrule.cli.lines import _KNOWN, line

LINES = {
    "held-out accuracy 97.10 % on 69 pictures": "평가용 그림 69장에서 정확도 97.10 %",
    "t.csv: a text of 1,200 characters; 60 characters": "t.csv: 글자 1,200개의 글; 60 characters",
    "held-out mean absolute error 1.2 on 48 forecast values; repeating the last value 2.4, repeating the last 12 rows "
    "1.5: 20 % better than naive": "평가용 예측값 48개에서 평균 절대 오차 1.2; 마지막 값을 되풀이하면 2.4, "
    "마지막 12행을 되풀이하면 1.5: 단순한 예측보다 20 % 낫습니다",
    "result: held-out root mean square error 0.5 on 30 samples": "결과: 평가용 표본 30개에서 평균 제곱근 오차 0.5",
    "20 epochs of 12 steps; losses are in nats per token": "에폭 20개, 에폭마다 12단계; "
    "손실의 단위는 토큰마다 nat입니다",
    "input x float32[N, 4]; output y float32[N]; largest difference 3e-07 on 100 rows made up; --data FILE compares on "
    "real ones": "입력 x float32[N, 4]; 출력 y float32[N]; 지어낸 100개에서 가장 큰 차이 3e-07; "
    "--data로 실제 데이터와 비교할 수 있습니다",
    "model: m.safetensors\nreport: r.html": "모델: m.safetensors\n보고서: r.html",
    "size: numbers, from 0 to 16": "size: 수, 0부터 16까지",
    "a: text, one-hot; 3 categories: '12%', '5%'": "a: 텍스트, 원-핫; 범주 3개: '12%', '5%'",
    "d: dates, year-month-day, from 2024-01-01 to 2024-12-31; days since 2000-01-01 and the place in the year": (
        "d: 날짜(년-월-일), 2024-01-01부터 2024-12-31까지; 2000-01-01부터의 날수와 한 해 안의 위치"
    ),
    "y: the target; a classification, because it is text; 2 classes": "y: 목표; 텍스트이므로 분류; 클래스 2개",
    "1 prediction: p.csv": "예측 1개: p.csv",
    "something new; model: m": "something new; 모델: m",
}


def test_each_part_of_a_line_that_is_known_is_in_korean():
    for text, said in LINES.items():
        with named(text):
            assert line(text, "ko") == said
            assert line(text, "en") == text


def test_every_sentence_uses_words_of_its_pattern():
    for pattern, said in _KNOWN:
        with named(pattern.pattern):
            assert set(re.findall(r"\{([a-z]+)\}", said)) <= set(pattern.groupindex)
            assert re.search("[가-힣]", said)


@pytest.mark.slow  # trains
def test_training_and_what_follows_it_are_in_korean(tmp_path):
    pytest.importorskip("sklearn", reason="the named data sets need pip install '.[app]'")
    english = re.compile(r"\b(?:the|of|in|on|is|samples|steps|check|loss|model|report|trained|data|features|result)\b")
    for words in (
        ("train", "iris", "--epochs", "2"),
        ("info", "model.safetensors"),
        ("predict", "model.safetensors", "iris", "--out", "p.csv"),
        ("info",),
    ):
        done = chainrule(*words, "--lang", "ko", folder=tmp_path)
        with named(" ".join(words)):
            assert done.exit_code in (0, None)
            assert re.search("[가-힣]", done.stdout)
            assert not english.search(re.sub(r"\S*[/.]\S*", "", done.stdout)), done.stdout


@pytest.mark.parametrize("command", ["predict", "export", "info", "generate", "train"])
def test_a_language_that_there_is_not_is_refused(command):
    needed = {"predict": ("m.safetensors", "iris"), "train": ("iris",), "info": ()}.get(command, ("m.safetensors",))
    done = chainrule(command, *needed, "--lang", "fr")
    assert done.exit_code == 2
    assert "lang: expected one of en, ko, got 'fr'" in done.stderr
