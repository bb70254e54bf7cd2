"""The words of the training report, in English and Korean."""

from chainrule.present.texts import Texts

TEXT: Texts = {
    "title": {"en": "Training report", "ko": "학습 보고서"},
    "result": {"en": "Result", "ko": "결과"},
    "held_out": {"en": "held out", "ko": "검증"},
    "held_out_accuracy": {"en": "accuracy on {n} held-out samples", "ko": "검증 표본 {n}개에 대한 정확도"},
    "held_out_rmse": {
        "en": "root mean square error on {n} held-out samples, in the target's unit",
        "ko": "검증 표본 {n}개에 대한 평균제곱근오차(목표값의 단위)",
    },
    "data": {"en": "Data", "ko": "데이터"},
    "samples": {"en": "samples", "ko": "표본"},
    "features": {"en": "features", "ko": "특성"},
    "classes": {"en": "classes", "ko": "클래스"},
    "source": {"en": "source", "ko": "출처"},
    "network": {"en": "Network", "ko": "신경망"},
    "parameters": {"en": "{n:,} parameters", "ko": "매개변수 {n:,}개"},
    "check": {"en": "Gradient check", "ko": "기울기 검사"},
    "check_text": {
        "en": "Before training, the gradient of the loss with respect to every parameter was compared with numerical "
        "differentiation in float64. Worst relative error: {worst:.1e}.",
        "ko": "학습 전에 모든 매개변수에 대한 손실의 기울기를 float64 수치 미분과 비교했습니다. 가장 큰 상대 오차: "
        "{worst:.1e}.",
    },
    "parameter": {"en": "parameter", "ko": "매개변수"},
    "shape": {"en": "shape", "ko": "모양"},
    "error": {"en": "relative error", "ko": "상대 오차"},
    "curves": {"en": "Training", "ko": "학습 과정"},
    "training": {"en": "training", "ko": "학습"},
    "epoch": {"en": "epoch", "ko": "에폭"},
    "loss": {"en": "Loss", "ko": "손실"},
    "accuracy": {"en": "Accuracy", "ko": "정확도"},
    "speed": {"en": "speed", "ko": "속도"},
    "flow_of_data": {
        "en": "{rows:,.0f} samples per second in the last epoch, {waited:.1f} s of it waiting for data",
        "ko": "마지막 에폭에서 초당 표본 {rows:,.0f}개, 데이터를 기다린 시간 {waited:.1f}초",
    },
    "peak_memory": {"en": "peak memory", "ko": "최대 메모리"},
    "flow": {"en": "Gradient flow", "ko": "기울기 흐름"},
    "flow_text": {
        "en": "How large the gradient of the loss with respect to each weight matrix was in the last step of each "
        "epoch, from the first layer (faintest) to the last (strongest). Where the first layers' gradients are many "
        "times smaller than the last one's, they vanish on their way back; where they are larger, they grow. A "
        "gradient of zero is drawn as an open dot at the bottom of the chart.",
        "ko": "각 에폭의 마지막 단계에서 잰, 가중치 행렬별 손실 기울기의 크기입니다. 첫 층이 가장 옅고 마지막 층이 "
        "가장 진합니다. 앞쪽 층의 기울기가 마지막 층보다 훨씬 작으면 역전파 도중에 사라지는 것이고, 더 크면 커지는 "
        "것입니다. 0인 기울기는 그래프 바닥에 빈 점으로 나타냅니다.",
    },
    "gradient_norm": {"en": "Norm of the gradient of each weight matrix", "ko": "가중치 행렬별 기울기의 노름"},
    "watch_ok": {
        "en": "The doctor found nothing wrong after step {step}",
        "ko": "진단: {step}단계 뒤에 문제가 발견되지 않았습니다",
    },
    "watch_line": {"en": "doctor, after step {step}", "ko": "진단, {step}단계 뒤"},
    "watch_sick": {"en": "The doctor's early warning, after step {step}", "ko": "진단: {step}단계 뒤의 조기 경고"},
    "heat": {"en": "Norm of ∂L/∂z in each layer over the training", "ko": "학습에 따른 층별 ∂L/∂z의 노름"},
    "heat_text": {
        "en": "How large the gradient was where it enters each layer, before the activation, measured on the same "
        "batch at each moment. The gradient travels from the bottom up: where the shades weaken towards the top, it "
        "vanishes; where they strengthen, it grows.",
        "ko": "각 층의 활성화 앞에서 잰 기울기의 크기로, 매번 같은 배치에서 측정했습니다. 기울기는 아래에서 위로 "
        "흐릅니다. 위로 갈수록 색이 약해지면 기울기가 사라지는 것이고, 강해지면 커지는 것입니다.",
    },
    "step": {"en": "step", "ko": "단계"},
    "layer": {"en": "layer", "ko": "층"},
    "confusion": {"en": "Predictions on the held-out part", "ko": "검증 데이터에 대한 예측"},
    "predicted": {"en": "predicted", "ko": "예측"},
    "truth": {"en": "true", "ko": "정답"},
    "residual": {"en": "residual (true − predicted)", "ko": "잔차 (정답 − 예측)"},
    "mistakes": {"en": "What it gets wrong (true → predicted)", "ko": "틀린 예 (정답 → 예측)"},
    "derivation": {"en": "Derivation", "ko": "유도 과정"},
    "check_all": {"en": "All {n} parameters", "ko": "매개변수 {n}개 모두"},
    "derivation_text": {
        "en": "The gradients of this network on four samples, from the loss back to every weight",
        "ko": "표본 네 개에 대한 이 신경망의 기울기: 손실에서 모든 가중치까지",
    },
    "again": {"en": "To repeat this run", "ko": "다시 실행하려면"},
    "error_text": {
        "en": "how far the two gradients are apart, relative to their size",
        "ko": "두 기울기의 차이를 그 크기로 나눈 값",
    },
    "confusion_counts": {
        "en": "How many samples of each class were taken for which",
        "ko": "클래스별로 예측한 표본 수",
    },
    "scatter": {"en": "Predictions over the truth", "ko": "정답에 대한 예측"},
    "residuals": {"en": "Residuals over the predictions", "ko": "예측에 대한 잔차"},
    "dashed": {"en": "On the dashed line the prediction is exact.", "ko": "점선 위에서는 예측이 정확합니다."},
    "worst": {
        "en": "The {shown} samples of {total} that it misses by most.",
        "ko": "표본 {total}개 가운데 가장 크게 틀린 {shown}개입니다.",
    },
    "points": {"en": "Of {total} samples, {shown} are drawn.", "ko": "표본 {total}개 가운데 {shown}개를 그렸습니다."},
    "mistake": {"en": "true {truth}, predicted {predicted}", "ko": "정답 {truth}, 예측 {predicted}"},
}
