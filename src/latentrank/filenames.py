"""Names of the files in the folder of a run or a model, for every module that uses one."""

CONFIG = "config.yaml"
METRICS = "metrics.json"
HISTORY = "history.csv"
WEIGHTS = "model.safetensors"
SPEC = "model.json"
ESTIMATOR = "estimator.json"
ESTIMATOR_ARRAYS = "estimator.safetensors"
CODES = "codes.safetensors"
PARAMETER_MAP = "parameters-{kind}.safetensors"
CHECKPOINTS = "checkpoints"
LAST_CHECKPOINT = f"{CHECKPOINTS}/last.ckpt"
FIGURES = "figures"
ERRORS = f"{FIGURES}/coefficients.csv"
RESTARTS = "restarts"
REPORT = "report.html"

#: What training and its report write beside the configuration.
PARTS_OF_A_RUN = (METRICS, HISTORY, WEIGHTS, SPEC, CODES, CHECKPOINTS, FIGURES, RESTARTS, REPORT)
