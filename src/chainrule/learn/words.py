"""What exercises say, in English and in Korean."""

from chainrule.present.texts import Texts, Words

TEXT: Texts = {
    # What is said of an answer
    "right": {"en": "Right.", "ko": "맞았습니다."},
    "right_formula": {
        "en": "Right: it agrees with the derivation at {count} random points.",
        "ko": "맞았습니다. 무작위로 고른 점 {count}곳에서 유도한 식과 값이 같습니다.",
    },
    "wrong": {
        "en": "Not right. Write the chain rule for this step: what comes back from the loss, times the local "
        "derivative.",
        "ko": "틀렸습니다. 이 단계의 연쇄 법칙을 써 보세요. 손실 쪽에서 온 기울기에 국소 도함수를 곱합니다.",
    },
    "wrong_formula": {
        "en": "Not right: at random points it gives other numbers than the derivation.",
        "ko": "틀렸습니다. 무작위로 고른 점에서 유도한 식과 값이 다릅니다.",
    },
    "unreadable": {"en": "This answer cannot be read: {why}.", "ko": "답을 읽을 수 없습니다: {why}."},
    "sign": {"en": "The sign is wrong; the size is right.", "ko": "크기는 맞지만 부호가 반대입니다."},
    "factor": {
        "en": "It is {factor} times the right answer: look for a factor that was dropped or counted twice.",
        "ko": "정답의 {factor}배입니다. 빠뜨렸거나 두 번 곱한 인수를 찾아보세요.",
    },
    "factor_missing": {
        "en": "The factor {factor} is missing.",
        "ko": "인수 {factor}{이} 빠졌습니다.",
    },
    "factor_too_many": {
        "en": "The factor {factor} does not belong there.",
        "ko": "인수 {factor}{은} 곱하지 않습니다.",
    },
    "transposed": {
        "en": "It is the transpose of the right answer: the gradient has the shape of the variable.",
        "ko": "정답의 전치입니다. 기울기의 모양은 변수의 모양과 같아야 합니다.",
    },
    "shape": {
        "en": "The shape is {got}; {name} has the shape {expected}, that of its variable.",
        "ko": "모양이 {got}입니다. {name}{은} 변수와 같은 모양 {expected}{을} 가집니다.",
    },
    "incoming_only": {
        "en": "This is what comes back from the loss, without the local derivative of this step.",
        "ko": "손실 쪽에서 온 기울기뿐입니다. 이 단계의 국소 도함수를 곱하지 않았습니다.",
    },
    "local_only": {
        "en": "This is the local derivative alone: what comes back from the loss is missing.",
        "ko": "국소 도함수뿐입니다. 손실 쪽에서 온 기울기를 곱하지 않았습니다.",
    },
    "value_instead": {
        "en": "This is another value of the same network, {name} was asked for.",
        "ko": "같은 신경망의 다른 값입니다. 물은 것은 {name}입니다.",
    },
    "not_a_choice": {"en": "Choose one of {choices}.", "ko": "{choices} 중에서 고르세요."},
    "not_a_function": {
        "en": "Give the function itself; text is not run. In a file: chainrule check FILE.py.",
        "ko": "함수 자체를 넘겨 주세요. 글자로 쓴 코드는 실행하지 않습니다. "
        "파일이라면 chainrule check FILE.py를 쓰세요.",
    },
    # Headings and instructions
    "exercise": {"en": "Exercise {number}. {title}", "ko": "문제 {number}. {title}"},
    "worksheet": {"en": "Exercises", "ko": "연습 문제"},
    "key": {"en": "Key", "ko": "정답과 풀이"},
    "answer": {"en": "Answer", "ko": "답"},
    "hint": {"en": "Hint {number}", "ko": "힌트 {number}"},
    "level": {"en": "level {level}", "ko": "난이도 {level}"},
    "compute": {
        "en": "Compute ${symbol}$ to three digits.",
        "ko": "${symbol}$의 값을 유효 숫자 세 자리까지 계산하세요.",
    },
    "type_number": {"en": "Type a number (-0.25 or -1/4).", "ko": "수를 쓰세요(-0.25 또는 -1/4)."},
    "type_array": {
        "en": "Type an array of shape {shape}, row by row: {example}.",
        "ko": "모양이 {shape}인 배열을 행별로 쓰세요: {example}.",
    },
    "derive": {
        "en": "Derive a formula for ${symbol}$.",
        "ko": "${symbol}$의 식을 유도하세요.",
    },
    "fill": {
        "en": "One step of the backward pass is missing. Write the right-hand side of ${symbol} =\\;?$",
        "ko": "역전파의 한 단계가 비어 있습니다. ${symbol} =\\;?$의 우변을 쓰세요.",
    },
    "fill_formula": {
        "en": "One formula is missing. Write the right-hand side of ${symbol} =\\;?$",
        "ko": "식 하나가 비어 있습니다. ${symbol} =\\;?$의 우변을 쓰세요.",
    },
    "type_formula": {
        "en": "Use any of {names}, in Python (`{example}`) or LaTeX.",
        "ko": "{names} 가운데 필요한 것을 써서 파이썬(`{example}`)이나 LaTeX로 답하세요.",
    },
    "network": {"en": "The network:", "ko": "신경망:"},
    "numbers": {"en": "The numbers:", "ko": "주어진 수:"},
    "lines": {"en": "The backward pass:", "ko": "역전파:"},
    "choose_right": {
        "en": "Four students wrote the backward pass of this network. Only one is right. Which one?",
        "ko": "네 학생이 이 신경망의 역전파를 작성했습니다. 하나만 맞습니다. 맞은 것은 어느 것입니까?",
    },
    "find_line": {
        "en": "One line of this backward pass is wrong. Which one?",
        "ko": "이 역전파에서 한 줄이 틀렸습니다. 어느 줄입니까?",
    },
    "choice_right": {
        "en": "{letter}: numerical differentiation confirms every gradient.",
        "ko": "{letter}: 수치 미분이 모든 기울기를 확인해 줍니다.",
    },
    "choice_wrong": {"en": "{letter} is wrong: {why}.", "ko": "{letter}{은} 틀렸습니다: {why}."},
    "chosen": {"en": "That is the one.", "ko": "맞게 골랐습니다."},
    "not_chosen": {"en": "Not this one.", "ko": "이것이 아닙니다."},
    "write": {
        "en": "Write `backward({arguments})`, which returns {gradients} for the upstream gradient 1.",
        "ko": "`backward({arguments})`를 작성하세요. 손실에서 오는 기울기가 1일 때 {gradients}{을} 반환합니다.",
    },
    "write_right": {
        "en": "Right: numerical differentiation confirms {gradients}.",
        "ko": "맞았습니다. 수치 미분이 {gradients}{을} 확인해 줍니다.",
    },
    "write_wrong": {"en": "{argument} is wrong: {why}.", "ko": "{argument}{이} 틀렸습니다: {why}."},
    "raised": {"en": "The function raised {error}.", "ko": "함수가 오류를 냈습니다: {error}."},
    "returned": {
        "en": "Expected {expected} gradients, got {got}.",
        "ko": "기울기 {expected}개가 필요한데 {got}개를 반환했습니다.",
    },
    # Hints
    "hint_rule": {
        "en": "Go from the loss backwards, one line of the network at a time. Each gradient is what comes back, times "
        "the local derivative.",
        "ko": "손실에서 시작해 신경망을 한 줄씩 거슬러 올라가세요. 기울기마다 뒤에서 온 기울기에 국소 "
        "도함수를 곱합니다.",
    },
    "hint_formula": {"en": "The formula is ${formula}$.", "ko": "식은 ${formula}$입니다."},
    "hint_before": {"en": "You need ${line}$.", "ko": "먼저 ${line}$이(가) 필요합니다."},
    "hint_order": {
        "en": "Follow the formulas in the order in which they are written.",
        "ko": "식을 쓰인 순서대로 계산하세요.",
    },
    "hint_parts": {
        "en": "It is made of {names}.",
        "ko": "{names}{으로} 이루어져 있습니다.",
    },
    "hint_shape": {
        "en": "Its shape is {shape}, like that of its variable.",
        "ko": "모양은 변수와 같은 {shape}입니다.",
    },
    "hint_differ": {
        "en": "Lay the versions next to each other: they differ in one line.",
        "ko": "네 코드를 나란히 놓아 보세요. 한 줄씩만 다릅니다.",
    },
    "hint_shapes": {
        "en": "Write the shape of each value next to its line, then its sign and its factors.",
        "ko": "줄마다 값의 모양을 적고, 이어서 부호와 인수를 확인하세요.",
    },
    "hint_near": {
        "en": "It is near the line `{line}`.",
        "ko": "`{line}` 줄 가까이에 있습니다.",
    },
    "hint_line": {"en": "Look at the line `{line}`.", "ko": "`{line}` 줄을 보세요."},
    "hint_try": {
        "en": "Derive the gradient of {name} and compare shapes, signs and factors.",
        "ko": "{name}의 기울기를 유도해서 모양, 부호, 인수를 비교하세요.",
    },
    "practice_how": {
        "en": "Type an answer, or: hint, key, quit.",
        "ko": "답을 입력하세요. 힌트는 hint, 정답은 key, 끝내기는 quit입니다.",
    },
    "practice_score": {"en": "{right} of {asked} right.", "ko": "{asked}문제 중 {right}문제를 맞혔습니다."},
    "practice_no_hint": {"en": "There is no other hint.", "ko": "힌트가 더 없습니다."},
    "practice_kept": {"en": "Kept in {path}.", "ko": "기록을 {path}에 저장했습니다."},
    # The doctor's table
    "table_intro": {
        "en": "`chainrule doctor` prints this table for a network, its first layer at the top:",
        "ko": "`chainrule doctor`가 어떤 신경망에 대해 출력한 표입니다. 맨 위가 첫 층입니다.",
    },
    "table_ask": {"en": "What does it show?", "ko": "이 표가 보여 주는 것은 무엇입니까?"},
    "case vanishing": {"en": "The gradient vanishes.", "ko": "기울기가 소실됩니다."},
    "case exploding": {"en": "The gradient explodes.", "ko": "기울기가 폭주합니다."},
    "case dead-units": {"en": "Units are dead.", "ko": "죽은 유닛이 있습니다."},
    "case saturated": {"en": "Activations are saturated.", "ko": "활성화 함수가 포화되었습니다."},
    "case healthy": {"en": "Nothing is wrong.", "ko": "이상이 없습니다."},
    "sign_of vanishing": {
        "en": "A vanishing gradient shows as ‖∂L/∂z‖ a thousandfold smaller in the first layer than in the last.",
        "ko": "기울기가 소실되면 첫 층의 ‖∂L/∂z‖가 마지막 층의 1,000분의 1보다 작아집니다.",
    },
    "sign_of exploding": {
        "en": "An exploding gradient shows as values, or ‖∂L/∂z‖, that grow a thousandfold from one end to the other.",
        "ko": "기울기가 폭주하면 한쪽 끝에서 다른 쪽 끝까지 값이나 ‖∂L/∂z‖가 1,000배 넘게 커집니다.",
    },
    "sign_of dead-units": {
        "en": "Dead units show in the column `dead`: for no sample do they have a slope.",
        "ko": "죽은 유닛은 ‘죽은 유닛’ 열에 나타납니다. 어느 표본에서도 기울기가 0입니다.",
    },
    "sign_of saturated": {
        "en": "Saturation shows in the column `flat`: over half of the values lie where the activation has hardly any "
        "slope.",
        "ko": "포화는 ‘포화’ 열에 나타납니다. 값의 절반 넘게 활성화 함수가 거의 평평한 곳에 있습니다.",
    },
    "sign_of healthy": {
        "en": "In a healthy network no column stands out: ratios stay near 1, few values are flat, no unit is dead.",
        "ko": "건강한 신경망에서는 튀는 열이 없습니다. 비율은 1에 가깝고, 포화된 값은 적으며, 죽은 유닛이 없습니다.",
    },
    "hint_columns": {
        "en": "Read each column from the bottom to the top, which is the way the gradient takes.",
        "ko": "열마다 아래에서 위로 읽어 보세요. 기울기가 흐르는 방향입니다.",
    },
    "hint_ratio": {
        "en": "The ratio of each layer is its slope times the weights of the next: multiply the ratios of all layers.",
        "ko": "각 층의 비율은 그 층의 활성화 기울기에 다음 층의 가중치를 곱한 것입니다. 모든 층의 비율을 곱해 보세요.",
    },
}


def words(lang: str) -> Words:
    """Return the texts in one language."""
    return Words(TEXT, lang, "exercise: ")
