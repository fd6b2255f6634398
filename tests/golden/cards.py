#!/usr/bin/env python3
"""Character cards and SillyTavern chats for tests: tests/golden/data/cards/. Invented characters; Python's own zlib and zipfile alone (3.11).

    python3 tests/golden/cards.py
"""
import base64
import json
import os
import struct
import zipfile
import zlib

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "cards")


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(*texts):
    """A picture of one grey point, with text chunks between its header and its data."""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + b"".join(texts)
            + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b""))


def b64(card):
    return base64.b64encode(json.dumps(card, ensure_ascii=False).encode())


def text(key, data):
    return chunk(b"tEXt", key + b"\0" + data)


def ztext(key, data):
    return chunk(b"zTXt", key + b"\0\0" + zlib.compress(data))


def itext(key, data, packed):
    return chunk(b"iTXt", key + b"\0" + bytes([packed, 0]) + b"en\0\0" + (zlib.compress(data) if packed else data))


V1 = {"name": "Ann", "description": "{{char}} mends clocks in a harbour town.", "personality": "dry, patient", "scenario": "{{user}} brings a broken watch.",
      "first_mes": "*looks up* Shut the door, {{user}}.",
      "mes_example": "<START>\n{{user}}: Is it late?\n{{char}}: The clock says nine.\nI say ten.\n<START>\n<USER>: Can you mend it?\nAnn: I can mend anything that ticks."}
V2 = {"spec": "chara_card_v2", "spec_version": "2.0", "data": dict(
    V1, system_prompt="Write {{char}}'s next reply.", post_history_instructions="Stay short.", creator_notes="Made for tests.", tags=["clocks"], creator="ptrain", character_version="1",
    alternate_greetings=["Closed, {{user}}.", "{{random:Nine,Ten}} o'clock."], extensions={},
    character_book={"extensions": {}, "entries": [
        {"keys": ["gull"], "content": "Gulls steal parts.", "extensions": {}, "enabled": True, "insertion_order": 1},
        {"keys": [], "content": "The tide runs at six.", "extensions": {}, "enabled": True, "insertion_order": 9, "constant": True, "position": "after_char"},
        {"keys": [], "content": "@@depth 4\nThe town is called Wick.", "extensions": {}, "enabled": True, "insertion_order": 2, "constant": True, "position": "before_char"},
        {"keys": [], "content": "Never said.", "extensions": {}, "enabled": False, "insertion_order": 0, "constant": True}]})}
V3 = {"spec": "chara_card_v3", "spec_version": "3.0", "data": dict(V2["data"], name="Annabel Reed", nickname="Ann", group_only_greetings=["Both of you, wipe your feet."])}
BEN = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Ben", "description": "{{char}} is the harbour pilot.", "personality": "", "scenario": "", "first_mes": "Ahoy.",
                                                               "mes_example": "", "extensions": {}}}


def lines(*rows):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()


def says(name, mes, **more):
    return dict({"name": name, "is_user": name == "Tom", "is_system": False, "send_date": "2025-07-10@10h00m00s", "mes": mes}, **more)


CHAT = lines(
    {"user_name": "Tom", "character_name": "Ann", "create_date": "2025-07-10@10h00m00s", "chat_metadata": {}},
    says("Ann", "*looks up* Shut the door, Tom.", swipes=["*looks up* Shut the door, Tom.", "Closed, Tom."], swipe_id=0),
    says("Tom", "Is it late?"),
    says("Ann", "The clock says nine.", swipes=["I am a language model.", "The clock says nine.", "Nine.", "Nine."], swipe_id=1),
    says("SillyTavern System", "A hidden note.", is_system=True),
    says("Narrator", "A bell rings.", extra={"type": "narrator"}),
    says("Tom", "And {{char}}, the watch?"),
    says("Ann", "Tomorrow.", swipes=["Tomorrow.", "Never."], swipe_id=0, extra={"reasoning": "He is in a hurry."}))
GROUP = lines(
    {"user_name": "unused", "character_name": "unused", "chat_metadata": {}},
    says("Ann", "Both of you, wipe your feet."),
    says("Ben", "Ahoy."),
    says("Tom", "Who sails tonight?"),
    says("Ben", "I do.", swipes=["I do.", "Nobody."], swipe_id=0),
    says("Ann", "Then take the clock with you."))


def main():
    os.makedirs(OUT, exist_ok=True)
    backfill = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Old Ann"}}
    files = {
        "ann.json": json.dumps(V1, indent=1, ensure_ascii=False).encode() + b"\n",
        "ann.png": png(text(b"Software", b"tests"), text(b"chara", b64(V2))),
        "ann_v3.png": png(text(b"chara", b64(backfill)), text(b"ccv3", b64(V3))),
        "ann_ztxt.png": png(ztext(b"Chara", b64(V2))),
        "ann_itxt.png": png(itext(b"ccv3", b64(V3), 1)),
        "plain.png": png(text(b"Title", b"no card")),
        "ben.json": json.dumps(BEN).encode() + b"\n",
        "chat.jsonl": CHAT,
        "group.jsonl": GROUP,
        "group_old.jsonl": GROUP.split(b"\n", 1)[1],
    }
    for name, data in files.items():
        with open(os.path.join(OUT, name), "wb") as f:
            f.write(data)
    for name, method in (("ann.charx", zipfile.ZIP_DEFLATED), ("ann_stored.charx", zipfile.ZIP_STORED)):
        with zipfile.ZipFile(os.path.join(OUT, name), "w", method) as z:
            for path, data in (("assets/icon/images/main.png", png()), ("card.json", json.dumps(V3).encode())):
                z.writestr(zipfile.ZipInfo(path, (2025, 7, 10, 10, 0, 0)), data, method)


if __name__ == "__main__":
    main()
