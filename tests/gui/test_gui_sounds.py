import time

import numpy as np
import pygame
import pytest

from gui.sounds import NAMES, RATE, Sounds, samples
from xiangqi import Move


class Heard(Sounds):
    def __init__(self):
        super().__init__()
        self.names = []

    def play(self, name):
        self.names.append(name)


@pytest.fixture
def listen(open_board):
    def sit_down(*args, **options):
        app = open_board(*args, **options)
        app.sounds = Heard()
        app.frame(1.0)
        return app

    return sit_down


class TestSamples:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_sound_is_loud_short_and_ends_in_silence(self, name):
        sound = samples(name) / 32768
        assert 0.5 < np.abs(sound).max() <= 1.0
        assert 0.1 < len(sound) / RATE < 3.0
        assert np.abs(sound[-200:]).max() < 0.01
        assert np.abs(sound).argmax() < 0.1 * RATE  # it is heard at once

    def test_sounds_differ(self):
        def centre(name):
            power = np.abs(np.fft.rfft(samples(name) / 32768.0, 1 << 17)) ** 2
            return float((power * np.fft.rfftfreq(1 << 17, 1 / RATE)).sum() / power.sum())

        def energy(name):
            return float((samples(name) / 32768.0).__pow__(2).sum())

        assert centre("end") < centre("capture")
        assert energy("move") < energy("capture") < energy("check") < energy("end")


class TestFollowing:
    def test_moves_captures_checks_and_ends_are_heard(self, listen):
        app = listen("3ak4/9/9/9/9/9/9/9/p2R5/R4K3 w")
        for iccs in ("d1c1", "a1b1", "c1b1", "d9e8", "b1b9"):
            app.session.play(Move.from_iccs(iccs))
            app.frame(2.0)
        app.session.resign()
        app.frame(3.0)
        assert app.sounds.names == ["move", "move", "capture", "move", "check", "end"]

    def test_mate_is_heard_as_an_end(self, listen):
        app = listen("3k5/R8/9/9/9/9/9/9/9/1R3K3 w")
        app.session.play(Move.from_iccs("b0b9"))
        app.frame(2.0)
        assert app.session.ending is not None
        assert app.sounds.names == ["end"]

    def test_stepping_forward_is_heard_and_jumping_is_not(self, listen):
        app = listen()
        for iccs in ("h2e2", "h9g7", "h0g2", "i9h9"):
            app.session.play(Move.from_iccs(iccs))
        app.frame(2.0)
        app.sounds.names.clear()
        app.session.view(0)
        app.frame(3.0)
        assert app.sounds.names == []
        app.session.view(1)
        app.frame(4.0)
        assert app.sounds.names == ["move"]
        app.session.new()
        app.frame(5.0)
        assert app.sounds.names == ["move"]

    def test_nothing_is_heard_twice(self, listen):
        app = listen()
        app.session.play(Move.from_iccs("h2e2"))
        for now in range(5):
            app.frame(2.0 + now)
        assert app.sounds.names == ["move"]


class TestDevice:
    def test_a_sound_is_played_through_the_device(self):
        sounds = Sounds()
        sounds.play("move")
        end = time.monotonic() + 20
        while not pygame.mixer.get_init() or not pygame.mixer.get_busy():
            assert time.monotonic() < end
            time.sleep(0.005)
        sounds.close()

    def test_mute_opens_no_device(self):
        sounds = Sounds()
        sounds.volume = 0.0
        sounds.play("move")
        assert sounds._opening is None

    def test_without_a_device_the_board_is_silent_and_says_so(self, monkeypatch, capfd):
        def fail(*args, **options):
            raise pygame.error("no such device")

        monkeypatch.setattr(pygame.mixer, "init", fail)
        sounds = Sounds()
        sounds.play("move")
        sounds._opening.join(10)
        assert not sounds.device
        sounds.play("move")
        assert capfd.readouterr().err == ""
