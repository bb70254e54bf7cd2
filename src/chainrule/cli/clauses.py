"""The clauses that messages are made of, in Korean.

Messages name the place first, `table.csv: `, then say what is wrong, and after a semicolon what to do. Each part is
known here by a pattern; a message is Korean where all of its parts are. `{을}` is a particle whose form depends on the
word before it.
"""

import re
from collections.abc import Mapping, Sequence

_CLAUSES: Sequence[tuple[str, str]] = (
    # what is wrong
    (r"no such file", "그런 파일이 없습니다"),
    (r"no such folder or file", "그런 폴더나 파일이 없습니다"),
    (r"no \.py or \.ipynb file in it", ".py나 .ipynb 파일이 없습니다"),
    (r"its ending names no format", "확장자로는 형식을 알 수 없습니다"),
    (r"no (?P<a>'[^' ]*')", "{a}{이} 없습니다"),
    (r"the file is empty", "파일이 비어 있습니다"),
    (r"(?:is )?a folder(?:, not a file)?", "폴더입니다"),
    (r"the folder (?P<a>.+) does not exist", "{a} 폴더가 없습니다"),
    (r"is a device, pipe or socket, and a model needs a file", "장치·파이프·소켓이어서 모델을 쓸 수 없습니다"),
    (r"cannot be written here \((?P<a>.+)\)", "여기에는 쓸 수 없습니다({a})"),
    (r"cannot be read: (?P<a>.+)", "읽을 수 없습니다({a})"),
    (r"is the data, (?P<a>.+), which it would overwrite", "데이터 {a}{을} 덮어쓰게 됩니다"),
    (r"is the model, (?P<a>.+), which it would overwrite", "모델 {a}{을} 덮어쓰게 됩니다"),
    (r"is (?P<b>[^,]+), (?P<a>.+), which it would overwrite", "{b}, 곧 {a}{을} 덮어쓰게 됩니다"),
    (r"(?P<a>\S+) and --report are the same file, (?P<b>.+)", "{a}{과} --report가 같은 파일 {b}입니다"),
    (r"Python cannot load it", "Python이 읽을 수 없는 파일입니다"),
    (r"one column only", "열이 하나뿐입니다"),
    (r"has a header but no rows of data", "머리글만 있고 데이터 행이 없습니다"),
    (r"has columns but no rows of data", "열만 있고 데이터 행이 없습니다"),
    (r"has no columns", "열이 없습니다"),
    (r"no features are left", "남은 특성이 없습니다"),
    (r"two columns are called (?P<a>.+)", "이름이 {a}인 열이 둘입니다"),
    (r"contains zero bytes, so it is not a text file", "값이 0인 바이트가 있어 텍스트 파일이 아닙니다"),
    (r"line (?P<a>\d+) is not valid CSV \((?P<b>.+)\)", "{a}행이 올바른 CSV가 아닙니다({b})"),
    (r"byte (?P<a>\S+) in line (?P<b>\d+) is not (?P<c>\S+)", "{b}행에 {c}{이} 아닌 바이트 {a}{이} 있습니다"),
    (r"byte (?P<a>\d+) \((?P<b>\S+)\) is not UTF-8", "{a}번째 바이트({b})가 UTF-8이 아닙니다"),
    (
        r"column (?P<a>\d+) has no name in the header on line (?P<b>\d+)",
        "{b}행의 머리글에 {a}번째 열의 이름이 없습니다",
    ),
    (r"what the file holds cannot be told from its name", "파일 이름으로는 내용의 종류를 알 수 없습니다"),
    (r"(?P<a>.+) is no encoding of text", "{a}{은} 텍스트 인코딩이 아닙니다"),
    (r"only CSV, TSV and other text files have an encoding", "인코딩은 CSV·TSV 같은 텍스트 파일에만 있습니다"),
    (r"does not start like an IDX file", "IDX 파일의 시작이 아닙니다"),
    (r"the file is truncated or damaged", "파일이 잘렸거나 손상되었습니다"),
    (r"not a readable (?P<a>\S+) file", "읽을 수 있는 {a} 파일이 아닙니다"),
    (r"no array (?P<a>'.*')", "배열 {a}{이} 없습니다"),
    (
        r"(?P<a>.+) does not fit the network, which was trained on (?P<b>\d+) columns of (?P<c>.+)",
        "{a}{이} 망과 맞지 않습니다. 망은 {c}의 열 {b}개로 학습했습니다",
    ),
    (r"(?P<a>'.+) is not one of them", "{a}{은} 망의 열이 아닙니다"),
    (r"no column (?P<a>'[^']*'(?:, '[^']*')*(?: and \d+ more)?)", "{a} 열이 없습니다"),
    (r"no column (?P<a>.+?) (?:to use as the target|to leave out|for .+)", "{a} 열이 없습니다"),
    (r"the target (?P<a>.+) cannot be left out", "목표 열 {a}{은} 뺄 수 없습니다"),
    (
        r"(?:the target )?(?P<a>.+) is constant: every value is (?P<b>.+), so there is nothing to learn",
        "{a}의 값이 모두 같아({b}) 배울 것이 없습니다",
    ),
    (r"(?P<a>.+) is text, but a regression needs numbers", "{a}{이} 텍스트인데 회귀에는 수가 필요합니다"),
    (
        r"(?P<a>.+) has missing values, and a target cannot be made up",
        "{a}에 빠진 값이 있는데 목표값은 채울 수 없습니다",
    ),
    (
        r"(?P<a>.+) takes (?P<b>\d+) different values in (?P<c>\d+) rows, which is not a set of classes",
        "{a}{이} {c}행에서 값을 {b}가지 가지므로 클래스가 아닙니다",
    ),
    (
        r"(?:column )?(?P<a>.+) has (?P<b>[\d,]+) different texts in (?P<c>[\d,]+) rows, which is not a set of "
        r"categories",
        "{a}{이} {c}행에서 텍스트를 {b}가지 가지므로 범주가 아닙니다",
    ),
    (r"(?P<a>\S+) has its own target", "{a}에는 정해진 목표가 있습니다"),
    (r"(?P<a>\S+) is a classification", "{a}{은} 분류 데이터입니다"),
    (r"no pictures", "그림이 없습니다"),
    (r"the text consists of one character, (?P<a>.+)", "텍스트가 한 글자 {a}로만 되어 있습니다"),
    (r"there is nothing to learn", "배울 것이 없습니다"),
    (
        r"the (?P<a>\S+) part of the text has (?P<b>\d+) tokens, and a window takes (?P<c>\d+)",
        "텍스트의 {a} 부분이 토큰 {b}개인데 창 하나에 {c}개가 필요합니다",
    ),
    (r"not a language model, so it has no text to go on with", "언어 모델이 아니어서 이어 쓸 수 없습니다"),
    (r"(?P<a>--\S+) means nothing for (?P<b>.+)", "{a}{은} 여기({b})에서 뜻이 없습니다"),
    (r"the model was trained for a (?P<a>\S+), got (?P<b>\S+)", "모델은 {a}용으로 학습했는데 {b}입니다"),
    (
        r"(?P<a>--\S+) goes with a model that `chainrule train` wrote, got (?P<b>.+)",
        "{a}{은} `chainrule train`이 쓴 모델에 주는 옵션인데 {b}입니다",
    ),
    (
        r"(?P<a>--\S+) and (?P<b>--\S+) are for a model in a file, as (?P<c>\S+)",
        "{a}{과} {b}{은} 파일 안의 모델에 주는 옵션입니다. 예: {c}",
    ),
    (r"a model alone needs its loss and target", "모델에는 손실과 목표가 필요합니다"),
    (r"it compares the output with a target", "출력을 목표와 비교하는 손실입니다"),
    (
        r"add (?P<a>--target) NAME, a name in the file, or a list, as (?P<b>.+)",
        "{a}{으로} 파일 안의 이름이나, {b} 같은 목록을 주십시오",
    ),
    (
        r"add --loss mse, or --loss and a name in the file",
        "--loss mse를 더하거나, --loss에 파일 안의 이름을 주십시오",
    ),
    (r"a target needs a loss", "목표에는 손실이 필요합니다"),
    (r"a layer has its own backward", "계층에는 자신의 backward가 있습니다"),
    (r"(?P<a>\S+) has no such name", "{a}에 그런 이름이 없습니다"),
    (r"(?P<a>\S+) has no such argument", "{a}에 그런 인수가 없습니다"),
    (r"it has no folders", "폴더가 없습니다"),
    (r"none of its (?P<a>\d+) folders has a PNG, JPEG or WebP file", "폴더 {a}개에 PNG·JPEG·WebP 파일이 없습니다"),
    (r"it has (?P<a>.+)", "있는 것: {a}"),
    (r"it needs the arguments (?P<a>.+)", "인수 {a}{이} 필요합니다"),
    (r"nothing says what (?P<a>\S+) is", "{a}{이} 무엇인지 알 수 없습니다"),
    (r"(?P<a>\S+) is (?P<b>\S+) code, with its own backward pass", "{a}{은} 자신의 역전파가 있는 {b} 코드입니다"),
    (r"every parameter of (?P<a>\S+) is frozen", "{a}의 매개변수가 모두 고정되어 있습니다"),
    (r"the loss is (?P<a>\S+), so it has no derivative", "손실({a})에 도함수가 없습니다"),
    (
        r"(?P<a>\S+) returns shape (?P<b>\(.*\)), expected a scalar loss",
        "{a}{이} 모양 {b}{을} 돌려주는데 손실은 스칼라여야 합니다",
    ),
    (
        r"the result of (?P<a>\S+) depends on no argument that has a gradient",
        "{a}의 결과가 기울기를 가진 인수에 의존하지 않습니다",
    ),
    (r"(?P<a>--\S+) continues a training whose settings are found", "{a}{은} 설정이 이미 정해진 학습을 잇습니다"),
    (r"(?P<a>--\S+) starts processes of its own", "{a}{은} 프로세스를 직접 띄웁니다"),
    (r"hidden, lr, dropout, weight-decay and batch-size are all given", "찾을 설정이 모두 주어졌습니다"),
    (r"the checkpoint does not identify its job", "체크포인트에 어떤 작업인지가 없습니다"),
    (r"its history is damaged", "학습 기록이 손상되었습니다"),
    (r"was saved with (?P<a>\S+) (?P<b>.+), but here it is (?P<c>.+)", "{a} {b}{으로} 저장했는데 여기서는 {c}입니다"),
    (r"the content does not match its own SHA-256 digest", "내용이 SHA-256 값과 맞지 않습니다"),
    (r"training diverged", "학습이 발산했습니다"),
    (
        r"in epoch (?P<a>\d+), batch (?P<b>\d+), the loss or a gradient is not finite",
        "에폭 {a}, 배치 {b}에서 손실이나 기울기가 유한하지 않습니다",
    ),
    (r"nothing was written", "아무것도 쓰지 않았습니다"),
    (r"there is no such file", "그런 파일이 없습니다"),
    (r"no data set or file is called (?P<a>.+)", "{a} 데이터나 파일이 없습니다"),
    (r"missing value in column (?P<a>.+) at (?P<b>.+)", "{a} 열의 {b}에 값이 빠졌습니다"),
    (r"column (?P<a>.+) is not finite \((?P<b>.+)\) at (?P<c>.+)", "{a} 열의 {c}에 유한하지 않은 값({b})이 있습니다"),
    (
        r"line (?P<a>\d+) has (?P<b>\d+) cells?, the first row has (?P<c>\d+)",
        "{a}행은 칸이 {b}개인데 첫 행은 {c}개입니다",
    ),
    (r"not a readable \.npz archive of plain arrays", "일반 배열의 .npz 파일로 읽을 수 없습니다"),
    (r"the file ends after (?P<a>\d+) bytes", "파일이 {a}바이트에서 끝납니다"),
    (
        r"a tensor that requires a gradient was passed to code that asked for a plain NumPy array, so its gradient "
        r"would be lost",
        "기울기를 구할 텐서를 일반 NumPy 배열이 필요한 코드에 넘겨 기울기를 잃게 됩니다",
    ),
    (r"no parameter is called (?P<a>.+)", "{a} 매개변수가 없습니다"),
    (r"there (?:is|are) (?P<a>.+)", "있는 것: {a}"),
    (r"known are (?P<a>.+)", "쓸 수 있는 것: {a}"),
    (r"(?P<a>\S+) must return at least one float or array of floats", "{a}{은} 실수나 실수 배열을 돌려주어야 합니다"),
    (
        r"none of the (?P<a>\d+) samples can be held out without emptying a class",
        "표본 {a}개 중 하나라도 검증용으로 떼면 비게 되는 클래스가 있습니다",
    ),
    (r"every_seconds must be positive, got (?P<a>.+)", "0보다 커야 하는데 {a}입니다"),
    (r"(?P<b>\w+Error): (?P<a>.+)", "{b}: {a}"),
    (
        r"Parquet file size is (?P<a>\d+) bytes?, smaller than the minimum file footer \((?P<b>\d+) bytes\)",
        "크기가 {a}바이트로, 가장 짧은 꼬리말({b}바이트)보다 작습니다",
    ),
    (r"it does not begin like one", ".npz 파일의 시작이 아닙니다"),
    (r"it holds Python objects", "Python 객체가 들어 있습니다"),
    (r"save (?:the arrays|arrays of numbers or texts) with np\.savez", "수나 텍스트의 배열을 np.savez로 저장하십시오"),
    (
        r"this is not a model file \(its first 8 bytes, (?P<a>.+), would mean a header of (?P<b>[\d,]+) bytes\)",
        "모델 파일이 아닙니다(처음 8바이트 {a}{이} 뜻하는 머리글 길이는 {b}바이트)",
    ),
    (
        r"this is not a model file \(its header is not a JSON object\)",
        "모델 파일이 아닙니다(머리글이 JSON 객체가 아님)",
    ),
    (r"this is a zip archive, such as \.npz or PyTorch's \.pt", ".npz나 PyTorch의 .pt 같은 zip 파일입니다"),
    (r"this is an empty zip archive", "빈 zip 파일입니다"),
    (r"this is an? (?P<a>NumPy \.npy|HDF5|gzip) (?:file|archive)", "{a} 파일입니다"),
    (
        r"this is a Git LFS pointer, not the file that `git lfs pull` fetches",
        "`git lfs pull`로 받을 파일이 아니라 그것을 가리키는 Git LFS 포인터입니다",
    ),
    (r"this is a pickle, which can run code when loaded", "읽을 때 코드가 실행될 수 있는 pickle입니다"),
    (r"this is a folder", "폴더입니다"),
    (r"the file is cut off in its header, at (?P<a>[\d,]+) bytes", "파일이 머리글 안 {a}바이트에서 끊겼습니다"),
    (r"got a (?P<a>\S+\[.*?\]) and b (?P<b>\S+\[.*?\])", "a는 {a}, b는 {b}입니다"),
    (r"the last axis of a must be as long as the only one of b", "a의 마지막 축과 b의 축은 길이가 같아야 합니다"),
    (
        r"the last axis of a must be as long as the last but one of b",
        "a의 마지막 축과 b의 끝에서 둘째 축은 길이가 같아야 합니다",
    ),
    (r"is one of them to be transposed\?", "둘 중 하나를 전치해야 합니까?"),
    (
        r"got shapes (?P<a>\(.*?\)) and (?P<b>\(.*?\)), expected an axis in each",
        "모양이 {a}, {b}인데 각각 축이 있어야 합니다",
    ),
    (r"multiply with \*", "*로 곱하십시오"),
    (
        r"Input operand \d has a mismatch in its core dimension \d, with gufunc signature .+ "
        r"\(size (?P<b>\d+) is different from (?P<a>\d+)\)",
        "맞닿는 두 축의 길이가 {a}{과} {b}{으로} 다릅니다",
    ),
    (
        r"operands could not be broadcast together with shapes (?P<a>\(.*?\)) (?P<b>\(.*?\)) ?",
        "모양 {a}{과} {b}{을} 브로드캐스트할 수 없습니다",
    ),
    (
        r"the network was trained on (?P<a>.+), whose target is not one of the columns",
        "망은 {a}{으로} 학습했고, 그 목표는 이 데이터의 열이 아닙니다",
    ),
    (r"name the target, one of (?P<a>.+), with --target", "{a} 중에서 --target으로 목표를 지정하십시오"),
    (r"did you mean (?P<a>'[^']*')\?", "혹시 {a}입니까?"),
    # what a table's cells, columns and rows lack
    (
        r"column (?P<a>'.*') contains numbers, but also (?P<c>.+) at (?P<b>.+)",
        "{a} 열의 {b}에 수가 아닌 {c}{이} 있습니다",
    ),
    (r"column (?P<a>'.*') contains numbers, but also (?P<c>.+)", "{a} 열에 수가 아닌 {c}{이} 있습니다"),
    (
        r"column (?P<a>'.*') contains dates, but also (?P<c>.+) at (?P<b>.+)",
        "{a} 열의 {b}에 날짜가 아닌 {c}{이} 있습니다",
    ),
    (r"column (?P<a>'.*') contains dates, but also (?P<c>.+)", "{a} 열에 날짜가 아닌 {c}{이} 있습니다"),
    (r"column (?P<a>'.*') contains (?P<c>'.*') at (?P<b>.+)", "{a} 열의 {b}에 {c}{이} 있습니다"),
    (r"column (?P<a>'.*') contains (?P<c>'.*')", "{a} 열에 {c}{이} 있습니다"),
    (r"the network was not trained on it", "망이 학습하지 않은 값입니다"),
    (
        r"expected one of (?P<a>.+), or --unknown ignore to take it for none of them",
        "{a} 중 하나여야 합니다. --unknown ignore를 쓰면 어느 것도 아닌 것으로 봅니다",
    ),
    (r"the network was trained on true and false", "망은 참과 거짓으로 학습했습니다"),
    (r"expected one of them", "둘 중 하나여야 합니다"),
    (r"expected a date, (?P<a>.+)", "{a} 꼴의 날짜여야 합니다"),
    (r"a target cannot be made up", "목표값은 채울 수 없습니다"),
    (
        r"fill it in, remove the row, or use --missing drop",
        "값을 써넣거나, 행을 지우거나, --missing drop을 쓰십시오",
    ),
    (r"column (?P<a>'.*') has no values", "{a} 열에 값이 없습니다"),
    (r"column (?P<a>'.*') is the target and has no values", "목표 열 {a}에 값이 없습니다"),
    (
        r"column (?P<a>'.*') has dates such as (?P<b>.+), whose day and month cannot be told apart",
        "{a} 열의 {b} 같은 날짜는 일과 월을 구별할 수 없습니다",
    ),
    (r"missing value in column (?P<a>'.*')", "{a} 열에 값이 빠졌습니다"),
    (r"column (?P<a>'.*') is not finite \((?P<b>.+)\)", "{a} 열의 값({b})이 유한하지 않습니다"),
    (r"(?P<a>[\d,]+) missing in (?P<b>'.*')", "{b}에 빠진 값 {a}개"),
    (r"(?P<a>[\d,]+) not finite in (?P<b>'.*')", "{b}에 유한하지 않은 값 {a}개"),
    (r"(?P<a>[\d,]+) rows of another length", "길이가 다른 행 {a}개"),
    (r"(?P<a>[\d,]+) in (?P<b>'.*')", "{b}에 {a}개"),
    (r"and (?P<a>[\d,]+) more", "그 밖에 {a}곳"),
    (r"(?P<a>'[^']*'(?:, '[^']*')*)", "{a}"),
    (r"fill (?:it|them) in or remove the rows?", "채우거나 행을 지우십시오"),
    (r"leave it out with (?P<a>--\S+ \S+), or fill in values", "{a}{으로} 빼거나 값을 채우십시오"),
    (r"leave them out with (?P<a>--\S+ \S+)", "{a}{으로} 빼십시오"),
    (
        r"write 1\.5, not 1,5 \(of thousands, 1500, not 1,500\)",
        "1,5가 아니라 1.5로, 천 단위라면 1,500이 아니라 1500으로 쓰십시오",
    ),
    (r"correct it(?:, or make every cell text)?", "고치거나 모든 칸을 텍스트로 하십시오"),
    (r"write them as (?P<a>\S+)", "{a}처럼 쓰십시오"),
    (r"choose another target", "다른 목표를 고르십시오"),
    # what was expected
    (r"expected a file", "파일이어야 합니다"),
    (r"give the path of a file", "파일의 경로를 주십시오"),
    (r"expected a safetensors file", "safetensors 파일이어야 합니다"),
    (r"expected (?P<a>[\d,]+) or more", "{a} 이상이어야 합니다"),
    (
        r"expected a folder for each class, as (?P<a>\S+) and (?P<b>\S+)",
        "클래스마다 폴더가 있어야 합니다. 예: {a}, {b}",
    ),
    (
        r"expected a CSV, TSV, NPZ or Parquet file, or an IDX file such as (?P<a>\S+)",
        "CSV·TSV·NPZ·Parquet 파일이나 {a} 같은 IDX 파일이어야 합니다",
    ),
    (
        r"expected (?P<b>.+), or a CSV, TSV, NPZ or Parquet file, or an IDX file such as (?P<a>\S+)",
        "{b} 중 하나이거나, CSV·TSV·NPZ·Parquet 파일이나 {a} 같은 IDX 파일이어야 합니다",
    ),
    (r"expected a positive learning rate, got (?P<a>.+)", "학습률은 0보다 커야 하는데 {a}입니다"),
    (
        r"expected a (?:share|fraction) from (?P<a>\S+) to below (?P<c>\S+), got (?P<b>.+)",
        "{a} 이상 {c} 미만이어야 하는데 {b}입니다",
    ),
    (
        r"expected at most (?P<a>\S+) positive layer widths of at most (?P<c>\S+), got (?P<b>.+)",
        "{c} 이하의 양수 너비가 {a}개 이하여야 하는데 {b}입니다",
    ),
    (r"expected a number from (?P<a>\S+), got (?P<b>.+)", "{a} 이상이어야 하는데 {b}입니다"),
    (r"expected a number of seconds above 0, got (?P<b>.+)", "0보다 큰 초여야 하는데 {b}입니다"),
    (r"expected a model file", "모델 파일이어야 합니다"),
    (
        r"--resume expects the checkpoint left by Ctrl-C, such as (?P<a>\S+)",
        "--resume에는 Ctrl-C가 남긴 {a} 같은 체크포인트를 주십시오",
    ),
    (r"expected at least the 8 of the header's length", "적어도 머리글 길이 8바이트가 있어야 합니다"),
    (r"expected a model or a function, got (?P<a>\S+)", "모델이나 함수여야 하는데 {a}입니다"),
    (r"expected a function, got (?P<a>\S+)", "함수여야 하는데 {a}입니다"),
    (
        r"expected an instance, or a function without arguments that returns one",
        "인스턴스나, 인수 없이 그것을 돌려주는 함수여야 합니다",
    ),
    (
        r"expected a function without arguments, which returns \(model, loss, batches\)",
        "인수 없이 (model, loss, batches)를 돌려주는 함수여야 합니다",
    ),
    (
        r"expected \(model, loss, batches\) or \(model, loss, batches, optimizer\), a dict with these keys, or a "
        r"function that returns one",
        "(model, loss, batches)나 (model, loss, batches, optimizer), 그런 키의 사전, 또는 이를 "
        r"돌려주는 함수여야 합니다",
    ),
    (
        r"expected a path that ends in (?P<a>\S+) or (?P<c>\S+), got (?P<b>.+)",
        "{a}나 {c}{으로} 끝나야 하는데 {b}입니다",
    ),
    (r"expected an ending of (?P<a>.+), got (?P<b>.+)", "확장자가 {a} 중 하나여야 하는데 {b}입니다"),
    (r"expected a (?:name|path) that ends in (?P<a>\S+), got (?P<b>.+)", "{a}{으로} 끝나야 하는데 {b}입니다"),
    (r"expected one of (?P<a>.+), got (?P<b>.+)", "{a} 중 하나여야 하는데 {b}입니다"),
    (r"expected one of (?P<a>.+)", "{a} 중 하나여야 합니다"),
    (r"expected (?P<a>[\w.-]+(?:, [\w.-]+)* or [\w.-]+), got (?P<b>.+)", "{a} 중 하나여야 하는데 {b}입니다"),
    (r"expected at least (?P<a>\S+)(?: [\w ]+)?, got (?P<b>.+)", "{a} 이상이어야 하는데 {b}입니다"),
    (r"expected (?P<a>\d+) to (?P<c>\S+), got (?P<b>.+)", "{a}에서 {c}까지여야 하는데 {b}입니다"),
    (
        r"expected a (?:share|fraction|number) between (?P<a>\S+) and (?P<c>\S+), got (?P<b>.+)",
        "{a}과 {c} 사이여야 하는데 {b}입니다",
    ),
    (r"expected widths such as (?P<a>\S+), got (?P<b>.+)", "{a}처럼 너비여야 하는데 {b}입니다"),
    (
        r"expected pixels such as (?P<a>\S+), or height and width as (?P<c>\S+), got (?P<b>.+)",
        "{a} 같은 화소 수나 {c} 같은 높이와 너비여야 하는데 {b}입니다",
    ),
    (r"expected an argument and its lengths, as (?P<a>\S+)", "{a}처럼 인수와 길이를 써야 합니다"),
    (r"expected a function of \(output, target\), got (?P<a>.+)", "(출력, 목표)의 함수여야 하는데 {a}입니다"),
    (r"expected at least one feature and the target", "특성과 목표가 하나씩은 있어야 합니다"),
    (r"expected columns divided by comma, semicolon or tab", "쉼표·세미콜론·탭으로 나뉜 열이 필요합니다"),
    (r"expected a CSV or Parquet file", "CSV나 Parquet 파일이어야 합니다"),
    (r"expected a text (?:to learn|in UTF-8)", "UTF-8 텍스트가 필요합니다"),
    (r"expected a name such as (?P<a>.+)", "{a} 같은 이름이어야 합니다"),
    (r"[Ee]xpected an index below (?P<a>\d+) or one of (?P<b>.+)", "{a}보다 작은 번호나 {b} 중 하나여야 합니다"),
    (r"expected (?P<a>'[^']*'(?:, '[^']*')*(?: and \d+ more)?)", "필요한 열: {a}"),
    (r"expected (?P<a>[^ ]+(?: or [^ ]+)*)", "필요한 것: {a}"),
    (r"What it takes", "쓸 수 있는 것"),
    (r"(?P<a>--\S+(?: \S+)?(?:, --\S+)*)", "{a}"),
    (r"got (?P<a>.+)", "{a}입니다"),
    # what to do
    (r"fill in the values, or choose what becomes of them", "값을 채우거나, 어떻게 할지 고르십시오"),
    (r"--missing mean, median, indicator or drop", "--missing mean, median, indicator, drop 중 하나"),
    (
        r"every row needs the same number, and text that contains the delimiter needs quotes",
        "모든 행의 칸 수가 같아야 하며, 구분자가 든 텍스트는 따옴표로 묶으십시오",
    ),
    (r"correct the value or remove the row", "값을 고치거나 행을 지우십시오"),
    (r"leave it out with (?P<a>--\S+ \S+), or turn it into numbers", "{a}{으로} 빼거나 수로 바꾸십시오"),
    (r"Check the path, or save a model there first", "경로를 확인하거나 먼저 그곳에 모델을 저장하십시오"),
    (r"Restore the file from a copy, or save the model again", "사본에서 되살리거나 모델을 다시 저장하십시오"),
    (r"add samples, or leave out stratify", "표본을 늘리십시오"),
    (r"or a list, as (?P<a>\[.*\])", "{a} 같은 목록도 됩니다"),
    (r"a model can take a data set", "모델에는 데이터를 줄 수 있습니다"),
    (
        r"for a tensor that is a loss already, pass the function that computes it",
        "이미 손실인 텐서라면 그것을 계산하는 함수를 주십시오",
    ),
    (r"pass its loss and target: .+", "--loss와 --target을 주십시오"),
    (
        r"pass what it depends on as arguments \(floating arrays\), or the model itself: .+",
        "결과가 의존하는 것을 실수 배열 인수로 넘기거나 모델 자체를 주십시오",
    ),
    (
        r"use chainrule\.numpy's function of that name, or x\.detach\(\) if no gradient is "
        r"wanted",
        "chainrule.numpy의 같은 이름의 함수를 쓰거나, 기울기가 필요 없으면 x.detach()를 쓰십시오",
    ),
    (r"leave (?:it|them|this out|these options)(?: out)?", "빼 주십시오"),
    (r"leave (?:out )?(?P<a>\S+)(?: out)?", "{a}{을} 빼 주십시오"),
    (r"leave it out to start over", "처음부터 하려면 빼 주십시오"),
    (r"leave one open", "하나는 비워 두십시오"),
    (r"omit (?P<a>\S+) and (?P<b>\S+)", "{a}{과} {b}{을} 빼 주십시오"),
    (r"name another place", "다른 곳을 지정하십시오"),
    (r"name a file in it", "그 안의 파일을 지정하십시오"),
    (r"name two", "둘을 지정하십시오"),
    (r"name one", "하나를 지정하십시오"),
    (r"name another (?P<a>--\S+)", "다른 {a}{을} 지정하십시오"),
    (r"create it first", "먼저 만드십시오"),
    (r"rename one", "하나의 이름을 바꾸십시오"),
    (r"check its quotes", "따옴표를 확인하십시오"),
    (
        r"save the file as UTF-8, or name its encoding with --encoding, such as cp949, latin-1 or cp1252",
        "UTF-8로 저장하거나 --encoding으로 cp949, latin-1, cp1252 같은 인코딩을 지정하십시오",
    ),
    (r"name another with --encoding", "--encoding으로 다른 인코딩을 지정하십시오"),
    (r"remove it from the data", "데이터에서 빼십시오"),
    (
        r"open it with the program that wrote it, and save its arrays as safetensors",
        "만든 프로그램으로 열어 배열을 safetensors로 저장하십시오",
    ),
    (r"save (?:it|the file) as (?:CSV in )?UTF-8", "UTF-8로 저장하십시오"),
    (r"name it, or delete it if it only numbers the rows", "이름을 붙이거나, 행 번호일 뿐이면 지우십시오"),
    (r"choose another target or another task", "다른 목표나 작업을 고르십시오"),
    (r"remove these rows", "그 행을 지우십시오"),
    (r"treat it as a regression", "회귀로 다루십시오"),
    (r"remove the column, or turn it into numbers", "열을 지우거나 수로 바꾸십시오"),
    (r"turn (?:it|them) into numbers(?: or text)?(?:, or (?:leave|remove) it(?: out)?)?", "수로 바꾸거나 빼십시오"),
    (r"give one of the two", "둘 중 하나를 주십시오"),
    (r"give them instead of (?P<a>--\S+)", "{a} 대신 그 설정을 주십시오"),
    (r"leave out mpiexec", "mpiexec를 빼 주십시오"),
    (r"or add (?P<a>--\S+)", "아니면 {a}{을} 쓰십시오"),
    (r"add (?P<a>--\w+), one of (?P<b>.+)", "{a}에 {b} 중 하나를 주십시오"),
    (r"add (?P<a>--\S+(?: \S+)*?)(?:, or .+)?", "{a}{을} 더하십시오"),
    (r"use `(?P<a>.+)`", "`{a}`{을} 쓰십시오"),
    (r"repeat the original command with --resume added", "처음 명령에 --resume을 더해 다시 실행하십시오"),
    (r"restore the file, or train again", "파일을 되살리거나 다시 학습하십시오"),
    (r"call requires_grad_\(True\) on some", "일부에 requires_grad_(True)를 부르십시오"),
    (r"[Ll]ower --lr, now (?P<a>\S+)", "--lr을 지금의 {a}보다 낮추십시오"),
    (
        r"[Gg]ive --shape (?P<a>\S+), or annotate it \(.*\), or define (?P<b>\S+) in its file",
        "--shape {a}{을} 주거나, 형 주석을 달거나, 파일에 {b}{을} 정의하십시오",
    ),
    (
        r"choose a shorter --context, or another --held-out, or give a longer text",
        "더 짧은 --context나 다른 --held-out을 고르거나, 더 긴 텍스트를 주십시오",
    ),
)
_KNOWN = tuple((re.compile(pattern, re.DOTALL), said) for pattern, said in _CLAUSES)
_PLACE = re.compile(r"\S+|--\S+ \S+|--\S+(?:(?:,| and) --\S+)+")
_JOINT = re.compile(r"; |: |\.? (?=[A-Z][a-z]+ )")
_LINE = re.compile(r"^line (\d+)$")
_MORE = re.compile(r" and ([\d,]+) more$")
"""What a long list ends with."""


def said_with(said: str, words: Mapping[str, str | None]) -> str:
    """Return a sentence with the words of a message in it."""
    for name, value in words.items():
        said = said.replace(f"{{{name}}}", _LINE.sub(r"\1행", _MORE.sub(r" 외 \1개", value or "")))
    return said


def of_clauses(text: str, may_be_place: bool = True) -> str | None:
    """Return a message whose every clause is known; None if one is not."""
    place, joint, after = text.partition(": ")
    if may_be_place and joint and _PLACE.fullmatch(place) and (said := of_clauses(after)) is not None:
        return f"{place}: {said}"
    if "; " not in text and (whole := _clause(text.removesuffix("."))) is not None:
        return whole
    for at in _JOINT.finditer(text):
        left, right = text[: at.start()], text[at.end() :]
        said = None if "; " in left else _clause(left)
        rest = None if said is None else of_clauses(right, may_be_place=False)
        if rest is not None:
            return f"{said}{' ' if str(said).endswith('?') else '. '}{rest}"
    return None


def _clause(text: str) -> str | None:
    lowered = text[:1].lower() + text[1:]
    for pattern, said in _KNOWN:
        if found := pattern.fullmatch(text) or pattern.fullmatch(lowered):
            return said_with(said, found.groupdict())
    return None
