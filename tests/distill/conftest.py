import numpy as np
import pytest
import torch
from hypothesis import settings
from toys import ragged

from softlabels import tasks

# A shared machine can stall for a second at any place, so time limits on single examples would fail by chance.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small lose more to waiting for a second thread than they gain from it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base():
    return tasks.base_model()


@pytest.fixture
def tokens():
    return ragged(np.random.default_rng(1).integers(3, 20, 90))
