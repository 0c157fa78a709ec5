"""The bodies of uploads: unique captures of 220 KB with three pictures, and events."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence

CAPTURE_PATH = "/api/v1/adapter/lenfocus/face/capture"
EVENT_PATH = "/api/v1/device/report/event"

#: Key and size in bytes of each picture.
_PICTURES = (("face_data", 15_000), ("body_data", 30_000), ("bg_data", 120_000))
#: The placeholder for a capture's number: in the JSON, and in the middle of each picture, where
#: eight digits are valid base64. So all pictures differ, and have the same length.
_MARK = "NNNNNNNN"
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def capture_parts(
    unix_seconds: int, *, category: int | None = None, uuid: str = _MARK
) -> list[str]:
    """The text of a capture (2.1), split at the placeholders for its number.

    With category 2 it raises an alarm: each a new one, or with a `uuid` always the same.
    """
    sent = "" if category is None else f'"category":{category},'
    rng = random.Random(0)
    pictures = ",".join(f'"{key}":"{_picture(rng, size)}"' for key, size in _PICTURES)
    text = (
        f'{{"did":"","time":{unix_seconds},"name":"Bench","age":30,"gender":1,'
        f'"uuid":"{uuid}",{sent}"data":{{{pictures}}}}}'
    )
    return text.split(_MARK)


def capture(parts: Sequence[str], number: int) -> bytes:
    return f"{number:08d}".join(parts).encode()


def event(unix_seconds: int, number: int) -> bytes:
    """An event without pictures (2.4)."""
    return b'{"did":"","type":1,"time":%d,"data":{"n":%d}}' % (unix_seconds * 1000, number)


def wrk_script(parts: Sequence[str], path: str, tokens: Sequence[str]) -> str:
    """A Lua script for wrk: captures from each device in turn, numbered from its first argument."""
    return _LUA % {
        "parts": ",\n".join(f"[[{part}]]" for part in parts),
        "tokens": ", ".join(f'"{token}"' for token in tokens),
        "path": path,
    }


def wrk_commands_script(dids: Sequence[str], bearer: str) -> str:
    """A Lua script for wrk: a light command (1.14) to each device in turn."""
    return _LUA_COMMANDS % {"dids": ", ".join(f'"{did}"' for did in dids), "bearer": bearer}


def _picture(rng: random.Random, size: int) -> str:
    text = base64.b64encode(_JPEG + rng.randbytes(size - len(_JPEG))).decode()
    middle = len(text) // 8 * 4
    return text[:middle] + _MARK + text[middle + len(_MARK) :]


_LUA = """\
local parts = { %(parts)s }
local tokens = { %(tokens)s }
local number = 0

function init(args)
  number = tonumber(args[1])
end

function request()
  number = number + 1
  local body = table.concat(parts, string.format("%%08d", number))
  local headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. tokens[number %% #tokens + 1],
  }
  return wrk.format("POST", "%(path)s", headers, body)
end

function response(status, headers, body)
  if status ~= 200 or not body:find('"code":200', 1, true) then
    io.stderr:write("REFUSED " .. status .. " " .. body .. "\\n")
    wrk.thread:stop()
  end
end
"""
_LUA_COMMANDS = """\
local dids = { %(dids)s }
local number = 0
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "%(bearer)s" }
local body = '{"uri":"/person/query","param":{"pid":"1001"}}'

function init(args)
  number = tonumber(args[1])
end

function request()
  number = number + 1
  local path = "/api/hub/v1/devices/" .. dids[number %% #dids + 1] .. "/commands"
  return wrk.format("POST", path, headers, body)
end

function response(status, headers, body)
  if status ~= 200 or not body:find('"pid":"1001"', 1, true) then
    io.stderr:write("REFUSED " .. status .. " " .. body .. "\\n")
    wrk.thread:stop()
  end
end
"""
#: Prints the result of a script as JSON (`WrkResult`).
LUA_DONE = """\
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'JSON {"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
