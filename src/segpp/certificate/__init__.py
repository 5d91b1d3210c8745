"""Certificates: what was proved of a file, and pictures with labels to prove it again anywhere.

    pictures      which pictures a network is proved on; drawn ones, never the user's
    labels        what the reference says of them, and which pixels are too close to call
    round_trip    that masks come back to the pixel, whatever the fit; needs no network
    agreement     how much of a mask must be the reference's
    archive       the file beside the manifest, written and read without trust
    sealed        file, manifest and archive, each naming the others by hash

Nothing here runs a network: whoever writes or verifies a file brings its masks.
"""
