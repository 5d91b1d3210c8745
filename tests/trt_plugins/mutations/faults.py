"""Faults that somebody could make in the kernels, each a change of one place in their source.

The suite that does not notice one of them lacks a test.
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FAULTS", "PLUGINS", "Fault"]

PLUGINS = Path(__file__).resolve().parents[3] / "trt_plugins"
TESTS = Path("tests/trt_plugins/kernels")


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: What is wrong then.
        file: Below trt_plugins/.
        right: What stands there, once.
        wrong: What stands there then.
    """

    name: str
    file: str
    right: str
    wrong: str

    @property
    def tests(self) -> list[str]:
        """The tests of the kernel: a file, and a folder where there are many."""
        operator = Path(self.file).parts[0]
        more = TESTS / operator
        own = [str(TESTS / f"test_{operator}_kernel.py")]
        return [*own, str(more)] if (PLUGINS.parent / more).is_dir() else own

    def put_into(self, folder: Path) -> None:
        """Change a copy of trt_plugins/.

        Raises:
            ValueError: The place is not there, or not the only one.
        """
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.right)) != 1:
            raise ValueError(f"{self.name}: {self.file} has {self.right!r} {count} times")
        path.write_text(text.replace(self.right, self.wrong), encoding="utf-8")


_BEST = "token_match/match_best.cuh"
_PACK = "token_match/match_pack.cuh"
_WINDOW = "token_match/match_window.cuh"
_SHAPE = "token_match/match_shape.cuh"
_PLAN = "token_match/match_plan.h"
_MATCH = "token_match/token_match.cu"
_KEYS = "token_match/selection/match_keys.cuh"
_SELECT = "token_match/selection/match_select.cuh"
_THRESHOLD = "token_match/selection/match_threshold.cuh"
_MEMBERS = "token_merge/merge_members.cuh"
_ROWS = "token_merge/merge_rows.cuh"
_SINGLES = "token_merge/merge_singles.cuh"
_TILING = "token_merge/merge_tiling.cuh"
_MERGE = "token_merge/token_merge.cu"
_UNMERGE, _ADD = "token_unmerge/unmerge_rows.cuh", "token_unmerge/token_unmerge_add.cu"
_BOUNDS = "resize_argmax/resize_bounds.cuh"
_CELLS = "resize_argmax/resize_cells.cuh"
_PIXELS = "resize_argmax/resize_pixels.cuh"
_LABELS = "resize_argmax/resize_argmax.cu"
_HEAD_AXIS = "decode_head/head_axis.cuh"
_HEAD_PIXELS = "decode_head/head_pixels.cuh"

FAULTS = (
    Fault(
        "ties of a thread go to the later destination",
        _BEST,
        "if (value > best.value)",
        "if (value >= best.value)",
    ),
    Fault(
        "ties between lanes go to the higher destination",
        _BEST,
        "b.destination < a.destination",
        "b.destination > a.destination",
    ),
    Fault(
        "the last tiles of uneven splits are lost",
        _BEST,
        "(split + 1) * tiles / splits",
        "(split + 1) * (tiles / splits)",
    ),
    Fault(
        "lengths are dropped",
        _PACK,
        "squares > 0 ? __fdiv_rn(1.0F, __fsqrt_rn(squares)) : 0.0F",
        "squares > 0 ? 1.0F : 0.0F",
    ),
    Fault("padding can match", _PACK, "*out = noNumber();", "*out = 0.0F;"),
    Fault(
        "a window begins a column late",
        _WINDOW,
        "int const firstX = max(cellX - windowX, 0);",
        "int const firstX = max(cellX - windowX + 1, 0);",
    ),
    Fault(
        "a window ends a row early",
        _WINDOW,
        "min(cellY + windowY, lattice.cellsY - 1)",
        "min(cellY + windowY - 1, lattice.cellsY - 1)",
    ),
    Fault(
        "below the last band sources skip destinations too",
        _SHAPE,
        "(band < cellsY ? begun : 0)",
        "begun",
    ),
    Fault(
        "the workspace is that of the largest batch alone",
        _PLAN,
        "most = std::max(most, images * splits);",
        "most = images * splits;",
    ),
    Fault(
        "code for older chips multiplies on tensor cores",
        _MATCH,
        "std::min(code.ptxVersion, code.binaryVersion) >= 80",
        "code.binaryVersion >= 0",
    ),
    Fault("-0 is below +0", _KEYS, "__fadd_rn(score, 0.0F)", "score"),
    Fault(
        "no number merges first",
        _KEYS,
        "score == score ? bits ^ (flipped | 0x80000000U) : 0U",
        "score == score ? bits ^ (flipped | 0x80000000U) : 0xffffffffU",
    ),
    Fault(
        "the last split's score counts",
        _KEYS,
        "best.at[j] = max(best.at[j], other.at[j]);",
        "best.at[j] = other.at[j];",
    ),
    Fault(
        "of equal splits the last one's destination is taken",
        _KEYS,
        "bool const better = value.at[j] > best.at[j];",
        "bool const better = value.at[j] >= best.at[j];",
    ),
    Fault(
        "a source without length keeps its destination",
        _KEYS,
        "anywhere && length.at[j] == 0 ? 0 : with.at[j]",
        "with.at[j]",
    ),
    Fault(
        "splits stride over sources without padding",
        _KEYS,
        "perSplit{static_cast<std::size_t>(gridDim.y) * lattice.paddedSources()}",
        "perSplit{static_cast<std::size_t>(gridDim.y) * lattice.sources}",
    ),
    Fault(
        "one equal source too many merges",
        _SELECT,
        "isEqual && ranks.equal < threshold.room",
        "isEqual && ranks.equal <= threshold.room",
    ),
    Fault(
        "a batch strides over sources",
        _SELECT,
        "static_cast<std::size_t>(blockIdx.y) * lattice.tokens()",
        "static_cast<std::size_t>(blockIdx.y) * lattice.sources",
    ),
    Fault(
        "counts of a block are read before they are written",
        _SELECT,
        "        warps[warpId()] = below + packed;\n    }\n    __syncthreads();",
        "        warps[warpId()] = below + packed;\n    }",
    ),
    Fault("bins are not cleared", _THRESHOLD, "    clearBins(tables);\n", ""),
    Fault(
        "bins are read before all keys are counted",
        _THRESHOLD,
        "countDigits(bins, keys, groups, base, shift);\n        __syncthreads();",
        "countDigits(bins, keys, groups, base, shift);",
    ),
    Fault(
        "the room for equal sources is one too small",
        _THRESHOLD,
        "return {base + 1, wanted};",
        "return {base + 1, wanted - 1};",
    ),
    Fault(
        "the last token is no member",
        _MEMBERS,
        "token + i * kWarp < tokens);",
        "token + i * kWarp < tokens - 1);",
    ),
    Fault(
        "members of a row are in reverse",
        _MEMBERS,
        "int const rank = __popc(hits & ((1U << lane) - 1));",
        "int const rank = __popc(hits >> lane) - 1;",
    ),
    Fault(
        "members are sorted before all are listed",
        _MEMBERS,
        "enlist(members, slot, tokens, rows);\n    __syncthreads();",
        "enlist(members, slot, tokens, rows);",
    ),
    Fault(
        "a window forgets how many members came before",
        _MEMBERS,
        "again ? members.before[row] + members.counts[row] : 0",
        "0",
    ),
    Fault(
        "groups have another size",
        _TILING,
        "constexpr int kGroup = 32;",
        "constexpr int kGroup = 16;",
    ),
    Fault(
        "the mean is of one more",
        _ROWS,
        "divide<T>(static_cast<float>(members));",
        "divide<T>(static_cast<float>(members + 1));",
    ),
    Fault(
        "a quotient is not brought to the nearest",
        _ROWS,
        "return left == left ? nearest : guess;",
        "return guess;",
    ),
    Fault(
        "an infinite sum has no mean",
        _ROWS,
        "return left == left ? nearest : guess;",
        "return nearest;",
    ),
    Fault("a single row keeps its -0", _SINGLES, "sumOfOne(row[i])", "row[i]"),
    Fault(
        "a batch strides over slots, not tokens",
        _MERGE,
        "slot + image * shape.tokens;",
        "slot + image * shape.slots;",
    ),
    Fault(
        "a slot out of range is read",
        _UNMERGE,
        "static_cast<std::uint32_t>(source[i])\n"
        "                    < static_cast<std::uint32_t>(shape.slots)",
        "source[i] >= 0",
    ),
    Fault(
        "a batch strides over tokens, not slots",
        _UNMERGE,
        "y + std::size_t{image} * shape.slots * words",
        "y + std::size_t{image} * shape.tokens * words",
    ),
    Fault(
        "every image adds the residual of the first",
        _UNMERGE,
        "onto.under(before * words + static_cast<unsigned>(row * words + column))",
        "onto.under(static_cast<unsigned>(row * words + column))",
    ),
    Fault(
        "sums are of words that a residual does not begin with",
        _ADD,
        "\n        && isAligned16(buffers.residual);",
        ";",
    ),
    Fault(
        "of a word one element is added",
        _ADD,
        "toFloat(second.at[i])",
        "toFloat(second.at[0])",
    ),
    Fault(
        "logits that are not finite drop classes",
        _BOUNDS,
        "shared.floor[slice][laneId()] = sum(bounds.floor, pairOf(spoil, spoil));",
        "shared.floor[slice][laneId()] = bounds.floor;",
    ),
    Fault(
        "a cell is bounded by its left corners alone",
        _BOUNDS,
        "bounds.highest[place] = higher(highest, ofNextLane(highest));",
        "bounds.highest[place] = highest;",
    ),
    Fault(
        "ties go to the higher class",
        _CELLS,
        "own = found > old ? k : own;",
        "own = found >= old ? k : own;",
    ),
    Fault(
        "before the first logit cells are interpolated",
        _CELLS,
        "place == 0 ? 0.0F : (static",
        "(static",
    ),
    Fault("labels of a cell go to its neighbour", _CELLS, "0x5432 : 0x5541", "0x3210 : 0x5541"),
    Fault(
        "places are not cut at the first logit",
        _PIXELS,
        "fmaxf(__fsub_rn(place, centre), 0.0F)",
        "__fsub_rn(place, centre)",
    ),
    Fault(
        "of equal values the last class wins",
        _LABELS,
        "label = value > best ? k + first : label;",
        "label = value >= best ? k + first : label;",
    ),
    Fault(
        "a level is taken half a pixel aside",
        _HEAD_AXIS,
        "planes.centre = shape.align_corners ? 0.0F : 0.5F;",
        "planes.centre = 0.0F;",
    ),
    Fault(
        "values below 0 stay", _HEAD_AXIS, "return value < 0.0F ? 0.0F : value;", "return value;"
    ),
    Fault(
        "the second level is taken twice",
        _HEAD_PIXELS,
        "((deeper[0] + deeper[1]) + deeper[2])",
        "((deeper[0] + deeper[1]) + deeper[1])",
    ),
    Fault(
        "the first class's bias is everybody's",
        _HEAD_PIXELS,
        "toFloat(bias[firstClass + k])",
        "toFloat(bias[firstClass])",
    ),
)
