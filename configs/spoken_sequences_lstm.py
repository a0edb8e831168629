"""An LSTM in both directions writes down three to seven spoken digits.

    python -m experiments.speech --config=configs/spoken_sequences_lstm.py

Expected: label error rate 0.003 to 0.020 on test over three seeds, one to six of 300
digits, and the same with a beam; always the same digits have 0.907, to cut at the
pauses and ask a logistic regression has 0.150.
Time: two minutes on 2 cores.
"""


def get_config():
    return {
        "cell": "lstm",
        "hidden_size": 64,
        "bidirectional": True,
        "dropout": 0.2,
        "form": "sequence",
        "dataset": "fsdd",
        "length": 200,
        "pause": 12,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "num_steps": 600,
        "eval_every": 50,
    }
