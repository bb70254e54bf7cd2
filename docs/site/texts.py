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
    "course": {"en": "Course", "ko": "강의"},
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
    "kind elementwise": {"en": "elementwise", "ko": "원소별"},
    "kind linear": {"en": "linear", "ko": "선형"},
    "kind bilinear": {"en": "bilinear", "ko": "쌍선형"},
    "kind general": {"en": "general", "ko": "일반"},
    "kind fused": {"en": "fused", "ko": "융합"},
    "kind constant": {"en": "constant", "ko": "상수"},
    "on complex REFUSED": {"en": "refused", "ko": "받지 않음"},
    "on complex MADE": {"en": "made of real numbers", "ko": "실수로부터 만듦"},
    "on complex HOLOMORPHIC": {"en": "holomorphic", "ko": "정칙"},
    "on complex REAL_LINEAR": {"en": "real-linear", "ko": "방향에 따라 다름"},
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
    "explorer of": {"en": "{chapter}: explorer", "ko": "{chapter}: 탐색기"},
    "explorer open": {"en": "Open in its own page", "ko": "새 페이지에서 열기"},
    "explorer said": {
        "en": "This is a recording: you can step through both passes and, where the network was trained, through its "
        "training. To change numbers or train it yourself, download {program} and run `python {name}.py`.",
        "ko": "녹화 화면입니다. 두 패스를 한 단계씩 따라갈 수 있고, 학습한 신경망이면 학습 과정도 볼 수 있습니다. "
        "숫자를 바꾸거나 직접 학습시키려면 {program} 파일을 내려받아 `python {name}.py ko`를 실행하십시오.",
    },
    "see rule": {"en": "[Its rules]({link})", "ko": "[규칙]({link})"},
}

TOPICS = {
    "activation": "활성화 함수",
    "arithmetic": "사칙 연산",
    "arrange": "재배열",
    "binary_cross_entropy": "이진 교차 엔트로피",
    "blockwise": "블록별 어텐션",
    "calculus": "차분과 적분",
    "compare": "비교",
    "complex_parts": "복소수의 부분",
    "convolution": "합성곱",
    "cross_entropy": "교차 엔트로피",
    "cumulative": "누적",
    "decompositions": "분해",
    "eigenvalues": "고윳값",
    "einsum": "아인슈타인 합",
    "error_function": "오차 함수",
    "exponential": "지수와 로그",
    "gamma_family": "감마 함수 계열",
    "gather": "모으기",
    "gaussian": "정규분포의 밀도",
    "index": "인덱스",
    "inverses": "역행렬과 행렬식",
    "join": "이어 붙이기",
    "layout": "메모리 배치",
    "linear": "선형층",
    "loss": "손실 함수",
    "matmul": "행렬 곱",
    "matrix_functions": "행렬 함수",
    "moments": "평균과 분산",
    "norm": "정규화",
    "normal_family": "정규분포 계열",
    "order": "정렬",
    "parts": "수의 부분",
    "piecewise": "구간별 함수",
    "plain": "어텐션",
    "pooling": "풀링",
    "powers": "거듭제곱과 근",
    "products": "곱",
    "recurrence": "순환 층",
    "reduce": "축약",
    "rounding": "반올림과 부호",
    "row_index": "행 고르기",
    "selection": "선택과 최댓값",
    "shape": "모양 바꾸기",
    "softmax": "소프트맥스",
    "special_functions": "특수 함수",
    "transforms": "푸리에 변환",
    "trigonometric": "삼각 함수와 쌍곡 함수",
    "vector_norms": "벡터 노름",
    "windows": "창",
}
"""The topics of the rules in Korean, by the names of their files; one without keeps the name of its file."""


def words(lang: str) -> Words:
    """Return the builder's words in a language."""
    return Words(TEXTS, lang)
