"""Checks a package with libraries that know nothing of pgattest.

    third_party.py PACKAGE PUBLIC_KEY_HEX

Prints JSON: what Python's own zip reader found, and whether securesystemslib
accepts the DSSE envelope with the key, and with another one.
"""

import base64
import json
import sys
import zipfile

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

OTHER = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def main():
    path, public = sys.argv[1:]
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        names = archive.namelist()
        data = json.loads(archive.read("manifest.dsse.json"))
    id_ = data["signatures"][0]["keyid"]
    edited = dict(data, payload=base64.b64encode(b"{}").decode())
    print(
        json.dumps(
            {
                "damaged": damaged,
                "names": names,
                "good": accepts(data, id_, public),
                "other_key": accepts(data, id_, OTHER),
                "edited": accepts(edited, id_, public),
            }
        )
    )


def accepts(data, id_, public):
    envelope = Envelope.from_dict(json.loads(json.dumps(data)))
    key = SSlibKey(id_, "ed25519", "ed25519", {"public": public})
    try:
        return list(envelope.verify([key], threshold=1)) == [id_]
    except VerificationError:
        return False


main()
