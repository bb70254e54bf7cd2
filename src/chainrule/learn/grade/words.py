"""What grading says, in English and in Korean."""

from chainrule.present.texts import Texts

TEXT: Texts = {
    "right": {"en": "right", "ko": "맞음"},
    "verdict missing": {"en": "missing", "ko": "정의 없음"},
    "verdict forward": {"en": "forward pass", "ko": "순전파가 틀림"},
    "verdict error": {"en": "error", "ko": "오류"},
    "missing": {"en": "{name} is not defined", "ko": "{name}{이} 정의되지 않았습니다"},
    "forward": {
        "en": "the forward pass gives other numbers than the reference",
        "ko": "순전파의 결과가 기준과 다릅니다",
    },
    "first_wrong": {
        "en": "{name} is the first wrong step of the backward pass",
        "ko": "역전파에서 처음으로 틀린 단계는 {name}입니다",
    },
    "failing": {
        "en": "{at}: got {got:.6g}, expected {expected:.6g}",
        "ko": "{at}: 제출한 값 {got:.6g}, 올바른 값 {expected:.6g}",
    },
    "unread": {"en": "not graded: {why}", "ko": "채점하지 못했습니다: {why}"},
    "not_started": {"en": "the file does not run: {why}", "ko": "파일이 실행되지 않습니다: {why}"},
    "no_gradient": {"en": "the result lacks {names}", "ko": "반환값에 {names}{이} 없습니다"},
    "error raised": {"en": "it raised {why}", "ko": "오류가 났습니다: {why}"},
    "error time": {"en": "stopped: {why}", "ko": "시간 제한으로 중단했습니다: {why}"},
    "error ended": {"en": "stopped: {why}", "ko": "중단되었습니다: {why}"},
    "error answer": {"en": "no usable result: {why}", "ko": "쓸 수 있는 결과가 없습니다: {why}"},
    "no answer within {seconds} s": {"en": "no answer within {seconds} s", "ko": "{seconds}초 안에 답하지 않았습니다"},
    "its process has ended": {"en": "its process has ended", "ko": "프로세스가 끝났습니다"},
    "its process ended by itself, or was ended for its memory or time": {
        "en": "its process ended by itself, or was ended for its memory or time",
        "ko": "프로세스가 스스로 끝났거나, 메모리나 시간 때문에 끝냈습니다",
    },
    "an answer without an end": {"en": "an answer without an end", "ko": "끝나지 않는 답입니다"},
    "the layer gave no results": {"en": "the layer gave no results", "ko": "층이 결과를 주지 않았습니다"},
    "at_line": {"en": "line {line}", "ko": "{line}행"},
    "title": {"en": "Grades", "ko": "채점 결과"},
    "submission": {"en": "submission", "ko": "제출물"},
    "task": {"en": "function or layer", "ko": "함수 또는 층"},
    "points": {"en": "points", "ko": "점수"},
    "verdict": {"en": "verdict", "ko": "판정"},
    "cause": {"en": "cause", "ko": "원인"},
    "line": {"en": "line", "ko": "줄"},
    "expected": {"en": "expected", "ko": "올바른 식"},
    "failing_input": {"en": "a failing element", "ko": "틀린 원소"},
    "total": {"en": "{points:g} of {most:g}", "ko": "{most:g}점 만점에 {points:g}점"},
}
