"""The words that the builder itself writes on the pages, in both languages."""

from chainrule.present.texts import Texts, Words

TEXTS: Texts = {
    "english only": {
        "en": "",
        "ko": "이 페이지는 아직 영어로만 제공됩니다.",
    },
    "partly english": {
        "en": "",
        "ko": "영어판이 그 뒤에 바뀌어, {count}곳은 아직 영어로 되어 있습니다.",
    },
    "gallery": {"en": "Gallery", "ko": "갤러리"},
    "gallery intro": {
        "en": "The programs of the folder `examples/`, each with its output. They were run when this page was built.",
        "ko": "`examples/` 폴더의 프로그램과 그 출력입니다. 이 페이지를 만들 때 실제로 실행했습니다.",
    },
    "output": {"en": "It prints:", "ko": "출력:"},
    "shown": {"en": "It shows:", "ko": "결과:"},
    "not run": {
        "en": "It takes longer than a page should, so it was not run for this one; the tests run it.",
        "ko": "실행 시간이 길어 이 페이지를 만들 때는 실행하지 않았습니다. 테스트에서는 실행합니다.",
    },
    "skipped": {
        "en": "It was not run for this page, for want of a library or of its data.",
        "ko": "라이브러리나 데이터가 없어 이 페이지를 만들 때는 실행하지 않았습니다.",
    },
    "download": {"en": "Download", "ko": "내려받기"},
    "rules": {"en": "Rules and their derivations", "ko": "규칙과 유도"},
    "rules intro": {
        "en": "Every operation with its formula, the rules of both passes and, where its record has one, the proof of "
        "each rule. All of it comes from the records, and the tests check every formula and every line of a proof "
        "against the code.",
        "ko": "모든 연산의 수식과 두 패스의 규칙, 그리고 레코드에 증명이 있으면 규칙마다 그 증명을 싣습니다. 모두 "
        "레코드에서 가져온 것이며, 수식과 증명의 모든 줄은 테스트가 코드와 대조합니다.",
    },
    "kind": {"en": "kind", "ko": "종류"},
    "arguments": {"en": "arguments", "ko": "인자"},
    "settings": {"en": "settings", "ko": "설정"},
    "complex": {"en": "complex numbers", "ko": "복소수"},
    "partial": {"en": "The derivative", "ko": "미분"},
    "partial of": {"en": "The derivative with respect to {name}", "ko": "{name}에 대한 미분"},
    "adjoint": {"en": "Reverse mode", "ko": "역방향 모드"},
    "adjoint of": {"en": "Reverse mode, for {name}", "ko": "역방향 모드, {name}"},
    "vjp": {"en": "Reverse mode", "ko": "역방향 모드"},
    "jvp": {"en": "Forward mode", "ko": "순방향 모드"},
    "kinks": {"en": "Where it has no derivative", "ko": "미분할 수 없는 점"},
    "kink": {"en": "At {at} the promised value is {value}: {reason}.", "ko": "{at}에서 약속한 값은 {value}: {reason}."},
    "proof": {"en": "The proof of the rule for {name}", "ko": "{name}에 대한 규칙의 증명"},
    "derivation": {"en": "How its rule follows", "ko": "규칙의 유도"},
    "elementary": {"en": "Elementary functions", "ko": "초등 함수"},
    "arrays": {"en": "Arrays", "ko": "배열"},
    "linalg": {"en": "Linear algebra", "ko": "선형대수"},
    "fft": {"en": "Fourier transforms", "ko": "푸리에 변환"},
    "network": {"en": "Networks", "ko": "신경망"},
    "attention": {"en": "Attention", "ko": "어텐션"},
    "api": {"en": "API reference", "ko": "API 레퍼런스"},
    "api intro": {
        "en": "Every public name, with its signature and its docstring, whose examples the tests run.",
        "ko": "모든 공개 이름의 시그니처와 설명입니다. 예제는 테스트가 실행합니다. 설명은 영어입니다.",
    },
    "page": {"en": "page", "ko": "페이지"},
    "names": {"en": "names", "ko": "이름"},
    "see rule": {"en": "[Its rules]({link})", "ko": "[규칙]({link})"},
}


def words(lang: str) -> Words:
    """Return the builder's words in a language."""
    return Words(TEXTS, lang)
