"""What the page of practice says, in English and in Korean."""

from chainrule.present.texts import Texts, Words

TEXT: Texts = {
    "title": {"en": "Practice", "ko": "연습"},
    "said": {
        "en": "One question after another. Two right answers in a row raise the level, a wrong one lowers it.",
        "ko": "문제를 하나씩 풉니다. 두 번 이어 맞히면 난이도가 오르고, 틀리면 내려갑니다.",
    },
    "topic": {"en": "Topic", "ko": "주제"},
    "all topics": {"en": "All topics in turn", "ko": "모든 주제를 차례로"},
    "level": {"en": "Level", "ko": "난이도"},
    "score": {"en": "Score", "ko": "점수"},
    "score said": {
        "en": "{right} of {asked} right · level {level}",
        "ko": "{asked}문제 중 {right}문제 정답 · 난이도 {level}",
    },
    "streak": {"en": "one more in a row raises the level", "ko": "한 번 더 이어 맞히면 난이도가 오릅니다"},
    "harder": {"en": "The level rises to {level}.", "ko": "난이도가 {level}{으로} 올라갑니다."},
    "easier": {"en": "The level falls to {level}.", "ko": "난이도가 {level}{으로} 내려갑니다."},
    "question": {"en": "Question", "ko": "문제"},
    "question of": {"en": "{title}, level {level}", "ko": "{title}, 난이도 {level}"},
    "answer": {"en": "Your answer", "ko": "답"},
    "check": {"en": "Check", "ko": "채점"},
    "hint": {"en": "Hint", "ko": "힌트"},
    "hint number": {"en": "Hint {number}", "ko": "힌트 {number}"},
    "show key": {"en": "Show the key", "ko": "정답과 풀이 보기"},
    "key": {"en": "Key", "ko": "정답과 풀이"},
    "next": {"en": "Next question", "ko": "다음 문제"},
    "result": {"en": "Result", "ko": "결과"},
    "correct": {"en": "Right", "ko": "정답"},
    "incorrect": {"en": "Not right", "ko": "오답"},
    "again": {
        "en": "Another try is judged too, but no longer counted.",
        "ko": "다시 풀어도 채점해 주지만, 점수에는 넣지 않습니다.",
    },
    "uncounted": {"en": "Not counted.", "ko": "점수에 넣지 않았습니다."},
    "empty": {"en": "Type an answer first.", "ko": "먼저 답을 쓰십시오."},
    "choose": {"en": "Choose one of the answers first.", "ko": "먼저 보기 가운데 하나를 고르십시오."},
    "record": {"en": "Your record", "ko": "나의 기록"},
    "record said": {
        "en": "Answers are kept in {path}, on this machine only.",
        "ko": "답은 이 컴퓨터의 {path}에만 저장됩니다.",
    },
    "no record": {"en": "Nothing has been answered yet.", "ko": "아직 푼 문제가 없습니다."},
    "right": {"en": "right", "ko": "정답"},
    "answered": {"en": "answered", "ko": "푼 문제"},
    "export": {"en": "Save as CSV", "ko": "CSV로 저장"},
    "not kept": {"en": "This answer could not be kept: {why}.", "ko": "이 답은 저장하지 못했습니다: {why}."},
    "working": {"en": "One moment…", "ko": "잠시만요…"},
    "lost": {
        "en": "No answer from Python: is the command still running?",
        "ko": "Python에서 답이 없습니다. 명령이 아직 실행 중입니까?",
    },
}


def words(lang: str) -> Words:
    """Return the texts in one language."""
    return Words(TEXT, lang, "practice: ")
