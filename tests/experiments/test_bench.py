import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from softlabels import cli, distill, tasks
from softlabels.experiments import bench

CPU = torch.device("cpu")


@pytest.mark.parametrize("length", [5, 12])
def test_the_formula_counts_what_torch_counts(length):
    student = distill.make_student("2x128", classes=24, seed=0, vocab_size=50).train()
    ids, mask = torch.ones(3, length, dtype=torch.int64), torch.ones(3, length, dtype=torch.bool)
    with FlopCounterMode(display=False) as forward:
        logits = student(ids, mask)
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    lengths = np.full(3, length)
    assert bench.forward_flops(student.config, lengths) == forward.get_total_flops()
    both = forward.get_total_flops() + backward.get_total_flops()
    assert bench.training_flops(student.config, lengths) == both


def test_the_formula_takes_the_real_lengths():
    config = distill.make_student("2x128", classes=24, seed=0, vocab_size=50).config
    one_by_one = sum(bench.forward_flops(config, [n]) for n in (3, 9, 30))
    assert bench.forward_flops(config, np.array([3, 9, 30])) == one_by_one


def test_under_cls_pooling_the_last_layer_counts_only_what_the_answer_needs():
    shape = dict(layers=2, width=64, heads=2, inner=256, classes=5)
    mean, cls = (distill.SmallBertConfig(**shape, pooling=pooling) for pooling in ("mean", "cls"))
    assert bench.forward_flops(cls, [1]) == bench.forward_flops(mean, [1])  # [CLS] is the only token
    assert bench.forward_flops(mean, [20]) / 2 < bench.forward_flops(cls, [20]) < bench.forward_flops(mean, [20])


def test_limits_are_rates_of_this_machine():
    config = distill.SIZES["2x128"]
    large = bench.matrix_limit(torch.float32, CPU)
    own = [bench.product_limit(config, 64, training, torch.float32, CPU) for training in (False, True)]
    assert all(0.1 < rate < 1e5 for rate in (large, *own))


def test_the_threads_are_put_back():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), bench.using(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_the_command_prints_soft_labels_and_training_beside_the_limit(monkeypatch):
    rows = [
        bench.Row("large products", 190.0, 190.0, "fp32", 2),
        bench.Row("soft labels", 95.0, 190.0, "bf16", 2, 152.0, 523.4),
        bench.Row("training", 38.0, 190.0, "fp32", None, 76.0, 1_234.5),
    ]
    monkeypatch.setattr(bench, "measure", lambda quick: rows)
    said = CliRunner().invoke(cli.app, ["bench"]).stdout
    lines = [line.split() for line in said.splitlines()]
    assert ["large", "products", "190", "100%", "2", "fp32"] in lines
    assert ["soft", "labels", "523", "95", "50%", "62%", "2", "bf16"] in lines
    assert ["training", "1,234", "38", "20%", "50%", "device", "fp32"] in lines
    assert "of limit: " in said and "of own limit: " in said


def test_the_command_says_what_is_missing_without_a_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr(tasks.home, "teacher_dir", lambda task: tmp_path / "none")
    result = CliRunner().invoke(cli.app, ["bench", "--quick"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "there is no teacher" in result.stderr.replace("\n", " ")


def test_a_quick_measurement_has_all_rows(monkeypatch):
    monkeypatch.setattr(bench, "cores", lambda: 1)
    before = torch.get_num_threads()
    rows = bench.measure(quick=True, progress=False)
    assert [row.what for row in rows] == ["large products", "soft labels", "training"]
    assert all(0 < row.gflops < 3 * row.limit for row in rows) and torch.get_num_threads() == before
    assert rows[0].examples_per_second is None and all(row.examples_per_second > 1 for row in rows[1:])
