"""The words of the report on pictures, in English and Korean."""

from chainrule.present.texts import Texts

TEXT: Texts = {
    "held_out_pictures": {
        "en": "accuracy on {n:,} held-out pictures",
        "ko": "검증 이미지 {n:,}장에 대한 정확도",
    },
    "by_class": {"en": "Accuracy by class", "ko": "클래스별 정확도"},
    "class": {"en": "class", "ko": "클래스"},
    "right": {"en": "right", "ko": "맞힌 수"},
    "share": {"en": "accuracy", "ko": "정확도"},
    "taken_for": {"en": "most often taken for", "ko": "가장 자주 혼동한 클래스"},
    "by_class_least": {
        "en": "The {shown} classes of {total} with the lowest accuracy.",
        "ko": "클래스 {total}개 가운데 정확도가 가장 낮은 {shown}개입니다.",
    },
    "mistakes_text": {
        "en": "The held-out pictures that it got wrong with the greatest certainty ({shown} of {total}): the true "
        "class, the predicted one and its probability. Next to each is the saliency: how much the predicted class's "
        "score changes with a pixel, |∂score/∂pixel|; the darker, the more.",
        "ko": "가장 확신했지만 틀린 검증 이미지입니다({total}장 중 {shown}장). 정답, 예측한 클래스와 그 확률을 "
        "적었습니다. 옆의 그림은 픽셀이 바뀔 때 예측한 클래스의 점수가 얼마나 바뀌는지(|∂점수/∂픽셀|)를 나타내며, "
        "진할수록 크게 바뀝니다.",
    },
    "no_mistakes": {
        "en": "It gets all {n:,} held-out pictures right.",
        "ko": "검증 이미지 {n:,}장을 모두 맞혔습니다.",
    },
    "saliency": {"en": "saliency for {predicted}", "ko": "{predicted}의 픽셀별 민감도"},
    "mistake_caption": {"en": "{truth} → {predicted}, {share:.0%}", "ko": "{truth} → {predicted}, {share:.0%}"},
    "filters": {"en": "The first layer's filters", "ko": "첫 층의 필터"},
    "filters_text": {
        "en": "What the first layer looks for: {shown} of its {total} filters, each with {height} × {width} weights.",
        "ko": "첫 층이 찾는 무늬입니다. 필터 {total}개 가운데 {shown}개이며, 각 필터에는 가중치가 {height} × {width}개 "
        "있습니다.",
    },
    "filter": {"en": "filter {number}", "ko": "필터 {number}"},
    "pictures": {"en": "pictures", "ko": "이미지"},
    "training_pictures": {"en": "{kept:,} to train on, {held:,} held out", "ko": "학습 {kept:,}장, 검증 {held:,}장"},
    "form": {"en": "form", "ko": "크기와 색"},
    "grey": {"en": "{height} × {width} pixels, grey", "ko": "{height} × {width} 픽셀, 회색조"},
    "rgb": {"en": "{height} × {width} pixels, RGB", "ko": "{height} × {width} 픽셀, RGB"},
    "changes": {"en": "changes in training", "ko": "학습 중 변형"},
    "mirrored": {"en": "mirrored", "ko": "좌우 반전"},
    "shifted": {"en": "shifted by up to {n} pixels", "ko": "최대 {n}픽셀 이동"},
    "hole": {"en": "with a hole of {n} × {n} pixels", "ko": "{n} × {n} 픽셀 구멍"},
    "unchanged": {"en": "none", "ko": "없음"},
}
