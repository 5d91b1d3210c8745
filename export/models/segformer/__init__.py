"""SegFormer: everything that is a fact about this network and not about exporting."""
