"""The largest MobileNet v1 within a budget of multiply-accumulates, by trying every published variant.

python examples/budget.py 150000000
"""

import sys

import convcost

WIDTHS = (1.0, 0.75, 0.5, 0.25)
RESOLUTIONS = (224, 192, 160, 128)


def main(budget: int) -> None:
    found = []
    for width in WIDTHS:
        for resolution in RESOLUTIONS:
            totals = convcost.analyze(convcost.load("mobilenet_v1", width=width, resolution=resolution)).totals
            if totals.macs <= budget:
                found.append((totals.macs, width, resolution, totals.params))
    if not found:
        sys.exit(f"no variant fits into {budget:,} MACs")
    for macs, width, resolution, params in sorted(found, reverse=True)[:3]:
        print(f"width {width:<4} resolution {resolution}: {macs:>11,} MACs, {params:>9,} parameters")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150_000_000)
