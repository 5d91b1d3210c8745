"""What works here, tried for real; ``segpp-doctor`` tests what is told of it."""

from segpp.runtime.system.capabilities import Capability, is_useful, try_out


def test_what_does_not_work_when_tried_says_why() -> None:
    tried = try_out(Capability("run-nonsense", "run on nonsense", works=True))

    assert not tried.works
    assert tried.reason.startswith("tried: ")
    assert "nonsense" in tried.reason


def test_what_is_missing_is_not_tried() -> None:
    missing = Capability("video", "read video", works=False, reason="av is not installed")

    assert try_out(missing) == missing


def test_only_exporting_and_running_are_useful() -> None:
    export, video = (Capability(key, key, works=True) for key in ("export", "video"))

    assert is_useful([export, video])
    assert not is_useful([video])
