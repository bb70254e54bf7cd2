"""The words of the report on a text, in English and Korean."""

from chainrule.present.texts import Texts

TEXT: Texts = {
    "nats": {"en": "{nats} nats per character", "ko": "글자당 {nats}나트"},
    "held_out_nats": {
        "en": "Loss on {n:,} held-out tokens, each predicted from at least {least} before it: {loss} nats per "
        "token, a perplexity of {perplexity}.",
        "ko": "검증 토큰 {n:,}개의 손실입니다. 각 토큰은 앞에 나온 토큰 {least}개 이상을 보고 예측했습니다. "
        "토큰당 {loss}나트, 퍼플렉서티 {perplexity}입니다.",
    },
    "loss": {"en": "Loss, nats per token", "ko": "손실(토큰당 나트)"},
    "accuracy": {"en": "Share of tokens predicted exactly", "ko": "정확히 예측한 토큰의 비율"},
    "perplexity": {"en": "Perplexity per token", "ko": "토큰당 퍼플렉서티"},
    "perplexity_text": {
        "en": "Perplexity is e to the loss: a network that hesitates between k equally probable tokens has "
        "perplexity k. Nats per character compare networks with different tokens.",
        "ko": "퍼플렉서티는 e를 손실만큼 거듭제곱한 값으로, 확률이 같은 토큰 k개 사이에서 망설이는 신경망은 "
        "퍼플렉서티가 k입니다. 토큰이 다른 신경망끼리는 글자당 나트로 비교합니다.",
    },
    "per_character": {"en": "Loss, nats per character", "ko": "손실(글자당 나트)"},
    "written": {"en": "What it wrote as it learned", "ko": "학습하면서 쓴 글"},
    "written_text": {
        "en": "After each epoch the network continues the beginning of the held-out text, at temperature 0.8.",
        "ko": "에폭이 끝날 때마다 검증 텍스트의 첫머리를 온도 0.8로 이어서 썼습니다.",
    },
    "expected": {"en": "What it expects next", "ko": "다음에 올 것으로 예측한 토큰"},
    "expected_text": {
        "en": "The beginning of the held-out text runs from left to right. Each column shows how probable the network "
        "finds each next token there. ␣ is a space, ⏎ a line break.",
        "ko": "검증 텍스트의 첫머리가 왼쪽에서 오른쪽으로 이어집니다. 각 열은 그 자리에서 다음 토큰으로 올 확률을 "
        "나타냅니다. ␣는 공백, ⏎는 줄 바꿈입니다.",
    },
    "before": {"en": "token", "ko": "토큰"},
    "next": {"en": "next token", "ko": "다음 토큰"},
    "probability": {"en": "its probability", "ko": "정답의 확률"},
    "likely": {"en": "most probable", "ko": "확률이 높은 토큰"},
    "attention": {"en": "Where it looks", "ko": "주의를 기울이는 곳"},
    "attention_text": {
        "en": "The attention weights of the first head in the last layer, on the same line. Each row adds up to 1, "
        "and no token sees a later one.",
        "ko": "같은 줄에서 마지막 층 첫 번째 헤드의 어텐션 가중치입니다. 각 행의 합은 1이며, 어떤 토큰도 "
        "뒤에 나오는 토큰을 보지 못합니다.",
    },
    "seen": {"en": "token it looks at", "ko": "보는 토큰"},
    "looking": {"en": "token that looks", "ko": "기준 토큰"},
    "characters": {"en": "characters", "ko": "글자 수"},
    "tokens": {"en": "different tokens", "ko": "토큰 종류"},
    "part": {"en": "{tokens:,} tokens, {characters:,} characters", "ko": "토큰 {tokens:,}개, 글자 {characters:,}자"},
    "end": {"en": "Held out is the end of the text.", "ko": "텍스트의 끝부분을 검증에 썼습니다."},
}
