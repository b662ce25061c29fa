"""What the gateway itself asks a trainer."""

import math

import pytest

from gateway.backend.channel import open_channel
from gateway.backend.trainer_client import TrainerClient
from gateway.errors import TrainerUnavailableError


@pytest.mark.parametrize("percent", [-1.0, 100.5, math.nan])
async def test_a_share_that_is_none_is_not_believed(start_trainer, percent):
    async with start_trainer(percents={2: percent}) as trainer, open_channel(trainer.address) as channel:
        with pytest.raises(TrainerUnavailableError, match="percent"):
            await TrainerClient(channel).canary_percent(2)
