"""The words of the report on a table, in English and Korean, besides those that every report has."""

from chainrule.present.texts import Texts

TEXT: Texts = {
    "model": {"en": "model", "ko": "모델"},
    "this_network": {"en": "this network", "ko": "이 신경망"},
    "majority": {"en": "always the most frequent class", "ko": "항상 가장 많은 클래스"},
    "mean": {"en": "always the mean", "ko": "항상 평균값"},
    "linear": {"en": "linear model", "ko": "선형 모델"},
    "trees": {"en": "gradient-boosted trees", "ko": "그레이디언트 부스팅 트리"},
    "rmse": {"en": "root mean square error", "ko": "평균제곱근오차"},
    "baselines": {"en": "Other models on the same samples", "ko": "같은 표본에 대한 다른 모델의 결과"},
    "baselines_text": {
        "en": "All models learned from the same training part. A network that is no better than the linear model is "
        "not worth its size; where trees are better, use them.",
        "ko": "모든 모델을 같은 학습 데이터로 학습했습니다. 신경망이 선형 모델보다 낫지 않다면 그만한 크기가 필요 "
        "없고, 트리가 더 낫다면 트리를 쓰는 것이 좋습니다.",
    },
    "calibration": {"en": "Calibration", "ko": "확률 보정"},
    "calibration_text": {
        "en": "Where the network is 80 % sure, it should be right in 80 % of cases. The expected calibration error, "
        "the mean distance from that, is {error:.1f} percentage points. Points below the dashed line mean that it is "
        "surer than it should be.",
        "ko": "신경망이 80 % 확신한다면 실제로도 80 %가 맞아야 합니다. 이와의 평균 차이인 기대 보정 오차(ECE)는 "
        "{error:.1f} 퍼센트포인트입니다. 점선 아래의 점은 지나치게 확신한다는 뜻입니다.",
    },
    "reliability": {"en": "Accuracy over confidence", "ko": "확신도에 따른 정확도"},
    "confidence": {"en": "confidence", "ko": "확신도"},
    "mean_confidence": {"en": "mean confidence", "ko": "평균 확신도"},
    "importance": {"en": "What the predictions rest on", "ko": "예측의 근거가 되는 열"},
    "importance_text": {
        "en": "For each column: how much worse the held-out score gets when the column's values are shuffled among the "
        "samples, and how strongly the output reacts to a small change of the column (the mean size of its gradient "
        "times the column's standard deviation). Each bar is a share of the longest of its kind. Of columns that say "
        "the same, shuffling one may do no harm.",
        "ko": "열마다 두 가지를 나타냅니다. 하나는 그 열의 값을 표본끼리 섞었을 때 검증 점수가 얼마나 나빠지는지이고, "
        "다른 하나는 그 열이 조금 바뀔 때 출력이 얼마나 민감하게 변하는지(기울기 크기의 평균 × 열의 표준편차)입니다. "
        "막대 길이는 같은 종류의 가장 긴 막대를 기준으로 한 비율입니다. 같은 정보를 담은 열이 여럿이면 하나를 섞어도 "
        "점수가 거의 변하지 않을 수 있습니다.",
    },
    "by_column": {"en": "Importance of each column", "ko": "열별 중요도"},
    "permuted": {"en": "accuracy lost when shuffled", "ko": "섞었을 때 잃는 정확도"},
    "permuted_rmse": {"en": "error added when shuffled", "ko": "섞었을 때 늘어나는 오차"},
    "gradient": {"en": "gradient × deviation", "ko": "기울기 × 표준편차"},
    "column": {"en": "column", "ko": "열"},
    "columns": {
        "en": "Of {total} columns, the {shown} with the largest gradients.",
        "ko": "열 {total}개 가운데 기울기가 가장 큰 {shown}개입니다.",
    },
    "search": {"en": "Settings tried", "ko": "시도한 설정"},
    "search_text": {
        "en": "{n} settings were tried on a split of the training part; the held-out part played no role. After each "
        "round the better third went on to three times as many epochs. The first one trained the network above.",
        "ko": "학습 데이터를 다시 나누어 설정 {n}개를 시도했으며, 검증 데이터는 쓰지 않았습니다. 라운드마다 상위 3분의 "
        "1만 남겨 세 배의 에폭으로 학습했습니다. 위의 신경망은 첫 번째 설정으로 학습한 것입니다.",
    },
    "rank": {"en": "rank", "ko": "순위"},
    "widths": {"en": "hidden layers", "ko": "은닉층"},
    "rate": {"en": "learning rate", "ko": "학습률"},
    "dropout": {"en": "dropout", "ko": "드롭아웃"},
    "decay": {"en": "weight decay", "ko": "가중치 감쇠"},
    "batch": {"en": "batch", "ko": "배치"},
    "epochs": {"en": "epochs", "ko": "에폭"},
    "validation_loss": {"en": "validation loss", "ko": "검증 손실"},
    "diverged": {"en": "diverged", "ko": "발산"},
}
