"""segpp-run on films, from the outside: every container, several at once, parts, what is kept."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.cli import main
from tests.runtime.media.films.make_films import CONTAINERS, Film, look_at, make, picture

Network = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

SHORT = Film(times=(0.0, 0.04))


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.mark.parametrize("ending", CONTAINERS)
def test_every_kind_of_film_becomes_one(
    network: Network, ending: str, tmp_path: Path, capsys: Capture
) -> None:
    path = make(tmp_path / f"a.{ending}", CONTAINERS[ending])

    code = run(network(), path, "--out", tmp_path / "o.mp4", "--legend", "none", "--alpha", 1)

    assert code == 0
    seen = look_at(tmp_path / "o.mp4")
    assert seen.times == pytest.approx([number / 25 for number in range(12)], abs=1e-6)
    middle = seen.first[seen.size[0] // 2]
    colors = [middle[seen.size[1] * k // 6].tolist() for k in (1, 3, 5)]
    # The palette is (200, 0, 0), (0, 200, 0), (0, 0, 200); the film is lossy.
    assert np.abs(np.array(colors) - 200 * np.eye(3)).max() < 12
    assert "12 frames in" in capsys.readouterr().out


def test_json_tells_the_time_of_every_frame(
    network: Network, tmp_path: Path, capsys: Capture
) -> None:
    times = [0.0, 0.033333, 0.066667, 2.5, 2.533333]
    path = make(tmp_path / "a.mp4", Film(times=times, tick=Fraction(1, 1_000_000)))

    code = run(network(), path, "--out", tmp_path / "o.mp4", "--json")

    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [image["time"] for image in report["images"]] == pytest.approx(times, abs=1e-6)
    assert look_at(tmp_path / "o.mp4").times == pytest.approx(times, abs=1e-6)


@pytest.mark.parametrize(
    ("part", "times"),
    [
        (("--every", 4), [0.0, 0.16, 0.32]),
        (("--start", 0.36), [0.36, 0.40, 0.44]),
        (("--start", 0.2, "--duration", 0.08), [0.2, 0.24]),
        (("--frames", 2), [0.0, 0.04]),
        (("--start", 0.04, "--every", 5, "--frames", 2), [0.04, 0.24]),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["a.mp4", "a.h264", "a/%03d.png"])
def test_a_part_of_a_film(
    network: Network, here: Path, part: tuple[object, ...], times: list[float], name: str
) -> None:
    if name.endswith("png"):
        (here / "a").mkdir()
        for number in range(12):
            Image.fromarray(picture(number)).save(name % number)
    else:
        make(here / name)

    code = run(network(), name, "--out", "o.mp4", *part)

    assert code == 0
    expected = [time - times[0] for time in times]
    assert look_at(here / "o.mp4").times == pytest.approx(expected, abs=1e-6)


def test_several_films_get_folders_of_their_own_and_a_bad_one_ends_none(
    network: Network, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("a.mp4", "c.mkv"):
        make(tmp_path / name, SHORT)
    (tmp_path / "b.avi").write_bytes(b"no film at all" * 99)
    names = [tmp_path / name for name in ("a.mp4", "b.avi", "none.mp4", "c.mkv")]

    code = run(network(), *names, "--out", tmp_path / "o", "--save", "mask")

    said = capsys.readouterr().err
    assert code == 1
    assert written(tmp_path / "o") == [
        f"{name}/frame-00000{number}.mask.png" for name in "ac" for number in (1, 2)
    ]
    assert said.count("skipped") == 2
    assert "b.avi is damaged" in said
    assert "none.mp4 does not exist" in said


@pytest.mark.parametrize("ending", CONTAINERS)
@pytest.mark.parametrize("harm", ["cut", "holes", "renamed"])
def test_a_harmed_film_in_a_folder_ends_no_other(
    network: Network, ending: str, harm: str, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = make(folder / f"b.{ending}", CONTAINERS[ending])
    Image.fromarray(picture(0)).save(folder / "a.png")
    make(folder / "c.mp4", SHORT)
    content = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "holes":
        for start in range(300, len(content), 400):
            content[start : start + 60] = bytes(len(content[start : start + 60]))
        path.write_bytes(content)
    else:
        path = path.rename(folder / "b.mov")

    code = run(network(), folder, "--out", tmp_path / "o", "--save", "mask")

    said = capsys.readouterr().err
    done = written(tmp_path / "o")
    assert done[0] == "a.mask.png"
    assert done[-2:] == ["c/frame-000001.mask.png", "c/frame-000002.mask.png"]
    assert code == (1 if "skipped" in said else 0)
    assert "Traceback" not in said
    if harm == "renamed":
        assert (code, len(done)) == (0, 15)
    else:
        # What is damaged in a row is one sentence.
        assert said.count("skipped") <= 4


def test_sound_is_copied_or_said_to_be_dropped(
    network: Network, tmp_path: Path, capsys: Capture
) -> None:
    loud = make(tmp_path / "a.mp4", Film(sound="aac"))
    odd = make(tmp_path / "b.avi", Film(codec="mpeg4", sound="adpcm_ms"))

    assert run(network(), loud, "--out", tmp_path / "loud.mp4") == 0
    assert "dropped" not in capsys.readouterr().err
    assert run(network(), odd, "--out", tmp_path / "odd.mp4", "--json") == 0

    said = capsys.readouterr()
    assert "(adpcm_ms) is dropped" in said.err
    assert "(adpcm_ms) is dropped" in json.loads(said.out)["notes"][-1]
    assert look_at(tmp_path / "loud.mp4").sounds == look_at(loud).sounds
    assert look_at(tmp_path / "odd.mp4").sounds == []


def test_shape_and_colors_are_kept(network: Network, tmp_path: Path) -> None:
    film = Film(aspect=Fraction(4, 3), colors=(1, 2, 1, 1))

    assert run(network(), make(tmp_path / "a.mkv", film), "--out", tmp_path / "o.mp4") == 0

    seen = look_at(tmp_path / "o.mp4")
    assert (seen.aspect, seen.colors) == (Fraction(4, 3), (1, 2, 1, 1))


def test_numbered_pictures_are_a_film_even_if_the_first_is_damaged(
    network: Network, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "1.png").write_bytes(b"broken")
    for number in (2, 3, 5):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")

    code = run(
        *(network(), tmp_path / "%d.png", "--out", tmp_path / "o.mp4"),
        *("--camera-rate", 7, "--legend", "none"),
    )

    said = capsys.readouterr()
    assert code == 1
    assert "1.png is not an image" in said.err
    assert "3 frames in" in said.out
    assert look_at(tmp_path / "o.mp4").times == pytest.approx([0.0, 1 / 7, 3 / 7], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a.png", "--every", 2), "a.png is no video, and ends by itself"),
        (("a.png", "--start", 1), "--start, --every, --frames and --duration are for videos"),
        (("a.mp4", "--start", 9), "a.mp4 ends before 9 s"),
        (("a.mp4", "--duration", 0), "--duration is 0.0\n  expected: a number from 0.001 on"),
        (("a.mp4", "--every", 0), "--every is 0"),
        (("a.mp4", "--start", -1), "--start is -1"),
        (("none.mkv",), "video none.mkv does not exist"),
        (("%04d.png",), "no file matches %04d.png"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(
    network: Network, here: Path, arguments: tuple[object, ...], says: str, capsys: Capture
) -> None:
    make(here / "a.mp4", SHORT)
    Image.fromarray(picture(0)).save("a.png")

    assert run(network(), *arguments, "--out", "o/") == 2

    assert says in capsys.readouterr().err
