"""The words of the report on a series, in English and Korean."""

from chainrule.present.texts import Texts

TEXT: Texts = {
    "held_out_mae": {
        "en": "mean absolute error of {n:,} held-out forecasts of {target}, in its own unit",
        "ko": "검증 구간에서 {target} 예측값 {n:,}개의 평균절대오차({target}의 단위)",
    },
    "better": {
        "en": "That is {share} % better than the best naive forecast.",
        "ko": "가장 나은 단순 예측보다 오차가 {share} % 작습니다.",
    },
    "no_better": {
        "en": "The best naive forecast does as well or better (by {share} %): the network has learned nothing that "
        "helps.",
        "ko": "가장 나은 단순 예측이 이만하거나 더 낫습니다({share} % 차이). 신경망이 도움이 되는 것을 배우지 "
        "못했습니다.",
    },
    "errors": {"en": "Errors on the held-out part", "ko": "검증 구간의 오차"},
    "forecast": {"en": "forecast", "ko": "예측 방법"},
    "network": {"en": "Network", "ko": "신경망"},
    "naive": {"en": "last value repeated", "ko": "마지막 값 반복"},
    "seasonal": {"en": "last {period} rows repeated", "ko": "마지막 {period}행 반복"},
    "mae": {"en": "mean absolute error", "ko": "평균절대오차"},
    "rmse": {"en": "root mean square error", "ko": "평균제곱근오차"},
    "loss": {"en": "Loss (mean square, scaled)", "ko": "손실(표준화한 평균제곱오차)"},
    "forecasts": {"en": "Forecasts of the held-out part", "ko": "검증 구간의 예측"},
    "forecasts_of": {"en": "{target}, and its forecasts", "ko": "{target} 및 예측"},
    "forecasts_text": {
        "en": "From {cut} on, each forecast covers {horizon} rows and starts where the previous one ended. The network "
        "sees only rows before its forecast.",
        "ko": "{cut}부터 예측입니다. 예측 하나는 {horizon}행이며 앞의 예측이 끝난 곳에서 시작합니다. 신경망은 예측 "
        "이전의 행만 봅니다.",
    },
    "by_step": {"en": "Error by distance", "ko": "예측 거리별 오차"},
    "ahead": {"en": "rows ahead", "ko": "몇 행 뒤"},
    "row": {"en": "row", "ko": "행"},
    "rows": {"en": "rows", "ko": "행 수"},
    "from_to": {"en": "from – to", "ko": "기간"},
    "features": {"en": "inputs besides the target", "ko": "목표값 외의 입력"},
    "window": {"en": "rows a forecast is made from", "ko": "예측에 쓰는 행 수"},
    "horizon": {"en": "rows forecast", "ko": "예측하는 행 수"},
    "held_out": {"en": "held out", "ko": "검증"},
    "end": {
        "en": "Held out is the end of the series; columns are scaled by the part before it.",
        "ko": "시계열의 끝부분을 검증에 썼고, 열의 척도는 그 앞부분으로 맞췄습니다.",
    },
}
