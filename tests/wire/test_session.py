"""The params of 1.1 to 1.3, and the table of pending requests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from msgspec import Raw

from hub.errors import BadParameter, DeviceBusy, DeviceNonsense, DeviceSilent, HubError
from hub.wire.envelope import Response
from hub.wire.session import (
    ConnectParam,
    KeepaliveParam,
    PendingRequests,
    RequestOutcome,
    decode_connect,
    decode_keepalive,
    read_usual_heartbeat,
)


def connect(text: str) -> ConnectParam:
    return decode_connect(Raw(text.encode()))


def test_1_1_a_documented_connect() -> None:
    param = connect(
        '{"did":"1234512","sn":"Y3C122AP1234512","ip":"192.168.100.168","sign":"567y==",'
        '"ts":1635066908}'
    )
    assert param == ConnectParam(
        sn="Y3C122AP1234512",
        ts=1635066908.0,
        ts_text="1635066908",
        sign="567y==",
        did="1234512",
        ip="192.168.100.168",
    )


def test_d8_a_real_camera_sends_only_sn_sign_and_ts() -> None:
    param = connect('{"sn":"Y3C122AP1234512","sign":"x","ts":1635066908}')
    assert (param.did, param.ip) == (None, None)


@pytest.mark.parametrize(
    ("ts", "text", "seconds"),
    [
        ("1635066908", "1635066908", 1635066908.0),
        ('"1635066908"', "1635066908", 1635066908.0),
        ("1635066908123", "1635066908123", 1635066908.123),
        ('"1635066908123"', "1635066908123", 1635066908.123),
        ('"01635066908"', "01635066908", 1635066908.0),
    ],
)
def test_d2_ts_is_kept_as_sent_and_also_given_in_seconds(
    ts: str, text: str, seconds: float
) -> None:
    param = connect(f'{{"sn":"S","ts":{ts}}}')
    assert (param.ts_text, param.ts) == (text, seconds)


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ('{"ts":1635066908}', "sn"),
        ('{"sn":"","ts":1635066908}', "sn"),
        ('{"sn":"  ","ts":1635066908}', "sn"),
        ('{"sn":null,"ts":1635066908}', "sn"),
        ('{"sn":[],"ts":1635066908}', "sn"),
        ('{"sn":"' + "x" * 65 + '","ts":1635066908}', "sn"),
        ('{"sn":"a\\u0000b","ts":1635066908}', "sn"),
        ('{"sn":"a\\nb","ts":1635066908}', "sn"),
        ('{"sn":"S"}', "ts"),
        ('{"sn":"S","ts":null}', "ts"),
        ('{"sn":"S","ts":""}', "ts"),
        ('{"sn":"S","ts":"now"}', "ts"),
        ('{"sn":"S","ts":-5}', "ts"),
        ('{"sn":"S","ts":1.5}', "ts"),
        ('{"sn":"S","ts":1e9}', "ts"),
        ('{"sn":"S","ts":1e400}', "ts"),
        ('{"sn":"S","ts":true}', "ts"),
        ('{"sn":"S","ts":{}}', "ts"),
        ('{"sn":"S","ts":' + "9" * 30 + "}", "ts"),
        ('{"sn":"S","ts":' + "9" * 5000 + "}", "ts"),
        ('{"sn":"S","ts":"１６３５０６６９０８"}', "ts"),
        ('{"sn":"S","ts":1,"sign":[]}', "sign"),
        ('{"sn":"S","ts":1,"sign":"' + "x" * 5000 + '"}', "sign"),
        ('{"sn":"S","ts":1,"did":{}}', "did"),
        ('{"sn":"S","ts":1,"did":"' + "1" * 21 + '"}', "did"),
    ],
)
def test_d2_an_invalid_connect_is_420_and_names_the_field(param: str, field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        connect(param)
    assert refusal.value.field == f"data.param.{field}"


@pytest.mark.parametrize("param", ["null", "[]", '"x"', "5"])
def test_a_param_that_is_not_an_object_is_420(param: str) -> None:
    for decode in (decode_connect, decode_keepalive):
        with pytest.raises(BadParameter, match=r"data\.param: an object is expected"):
            decode(Raw(param.encode()))


@pytest.mark.parametrize("did", ['""', "null", '" "'])
def test_d2_an_empty_did_is_none(did: str) -> None:
    assert connect(f'{{"sn":"S","ts":1,"did":{did},"sign":{did},"ip":{did}}}').did is None


def test_d1_a_did_may_be_a_number_and_extra_fields_are_ignored() -> None:
    param = connect('{"sn":"S","ts":1,"did":18446744073709551615,"fw":1e400,"x":[{}]}')
    assert param.did == "18446744073709551615"


@pytest.mark.parametrize("ip", ['"' + "x" * 65 + '"', '"a\\u0000"', "5", '""'])
def test_d2_an_invalid_ip_counts_as_missing(ip: str) -> None:
    assert connect(f'{{"sn":"S","ts":1,"ip":{ip}}}').ip is None


def test_d1_blanks_in_keys_are_stripped_only_after_an_exact_reading_failed() -> None:
    assert connect('{"sn ":"S"," ts":5}').ts_text == "5"
    assert connect('{"sn":"S","ts":5,"sn ":"T"}').sn == "S"


def test_1_2_and_1_3_may_name_the_device() -> None:
    assert decode_keepalive(Raw(b"{}")) == KeepaliveParam()
    assert decode_keepalive(Raw(b'{"did":7,"sn":"S","ip":"10.0.0.8"}')) == KeepaliveParam(
        "7", "S", "10.0.0.8"
    )


class Waiter:
    def __init__(self) -> None:
        self.got: list[RequestOutcome] = []

    def __call__(self, outcome: RequestOutcome) -> None:
        self.got.append(outcome)


def test_a_response_reaches_the_request_with_its_msgid() -> None:
    pending, first, second = PendingRequests(4), Waiter(), Waiter()
    pending.expect("1", first)
    pending.expect("2", second)
    answer = Response("2", "/anything", 200)
    assert pending.resolve(answer)
    assert (first.got, second.got) == ([], [answer])
    assert not pending.resolve(answer)


def test_a_response_without_a_pending_request_is_reported() -> None:
    pending, waiter = PendingRequests(4), Waiter()
    pending.expect("1", waiter)
    pending.forget("1")
    pending.forget("unknown")
    assert not pending.resolve(Response("1", "/", 200))
    assert waiter.got == []


def test_pending_requests_are_limited() -> None:
    pending = PendingRequests(1)
    pending.expect("1", Waiter())
    assert pending.is_full
    with pytest.raises(DeviceBusy):
        pending.expect("2", Waiter())
    pending.forget("1")
    pending.expect("2", Waiter())


def test_a_msgid_is_used_once_at_a_time() -> None:
    pending = PendingRequests(2)
    pending.expect("1", Waiter())
    with pytest.raises(ValueError, match="in use"):
        pending.expect("1", Waiter())


def test_close_ends_every_request_once() -> None:
    pending, waiters = PendingRequests(4), [Waiter(), Waiter()]
    for msgid, waiter in enumerate(waiters):
        pending.expect(str(msgid), waiter)
    gone: HubError = DeviceSilent("the connection ended")
    pending.close(gone)
    assert [waiter.got for waiter in waiters] == [[gone], [gone]]
    with pytest.raises(DeviceSilent, match="the connection ended"):
        pending.expect("9", Waiter())


class EveryWaitEndsOnce(RuleBasedStateMachine):
    """Any sequence of calls: each request ends at most once, and with its own response."""

    msgids = Bundle("msgids")

    def __init__(self) -> None:
        super().__init__()
        self.pending = PendingRequests(3)
        self.waiting: dict[str, Waiter] = {}
        self.done: list[Waiter] = []
        self.gone: HubError | None = None

    @rule(target=msgids, number=st.integers(0, 5))
    def name(self, number: int) -> str:
        return str(number)

    @rule(msgid=msgids)
    def expect(self, msgid: str) -> None:
        waiter = Waiter()
        if self.gone is not None:
            with pytest.raises(DeviceSilent, match="gone"):
                self.pending.expect(msgid, waiter)
        elif len(self.waiting) == 3:
            with pytest.raises(DeviceBusy):
                self.pending.expect(msgid, waiter)
        elif msgid in self.waiting:
            with pytest.raises(ValueError, match="in use"):
                self.pending.expect(msgid, waiter)
        else:
            self.pending.expect(msgid, waiter)
            self.waiting[msgid] = waiter

    @rule(msgid=msgids)
    def fail(self, msgid: str) -> None:
        error = DeviceNonsense("unreadable")
        waiter = self.waiting.pop(msgid, None)
        self.pending.fail(msgid, error)
        if waiter is not None:
            assert waiter.got == [error]
            self.done.append(waiter)

    @rule(msgid=msgids)
    def answer(self, msgid: str) -> None:
        response = Response(msgid, "/", 200)
        waiter = self.waiting.pop(msgid, None)
        assert self.pending.resolve(response) is (waiter is not None)
        if waiter is not None:
            assert waiter.got == [response]
            self.done.append(waiter)

    @rule(msgid=msgids)
    def forget(self, msgid: str) -> None:
        self.pending.forget(msgid)
        if (waiter := self.waiting.pop(msgid, None)) is not None:
            assert waiter.got == []

    @rule()
    def close(self) -> None:
        self.gone = DeviceSilent("gone")
        self.pending.close(self.gone)
        assert all(waiter.got == [self.gone] for waiter in self.waiting.values())
        self.done += self.waiting.values()
        self.waiting.clear()

    @invariant()
    def no_request_ends_early_or_twice(self) -> None:
        assert all(waiter.got == [] for waiter in self.waiting.values())
        assert all(len(waiter.got) == 1 for waiter in self.done)
        assert self.pending.is_full is (len(self.waiting) == 3)


TestEveryWaitEndsOnce = EveryWaitEndsOnce.TestCase


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=80)
    | st.lists(st.integers(), max_size=2)
)
PARAMS = st.dictionaries(
    st.sampled_from(["sn", "ts", "sign", "did", "ip", " sn", "ts ", "more"]), VALUES, max_size=6
)


@given(param=PARAMS.map(json.dumps) | st.text())
def test_any_param_is_within_bounds_or_refused_with_the_field(param: str) -> None:
    raw = Raw(param.encode("utf-8", "replace"))
    for read in (decode_connect, decode_keepalive):
        said: ConnectParam | KeepaliveParam = KeepaliveParam()
        named = "data.param"
        try:
            said = read(raw)
        except BadParameter as error:
            named = error.field
        assert named.startswith("data.param")
        assert len(said.sn or "") <= 64
        assert len(said.did or "") <= 20
        assert len(said.ip or "") <= 64


USUAL = (
    '{"msgid":"1","token":"t","data":{"uri":"/heartbeat","param":{"did":"1","sn":"S","ip":"::1"}}}'
)


def test_1_3_a_documented_heartbeat_is_a_usual_one() -> None:
    sent = read_usual_heartbeat(USUAL)
    assert sent is not None
    param = sent.data.param
    assert (sent.msgid, sent.token, param.did, param.sn, param.ip) == ("1", "t", "1", "S", "::1")
    assert read_usual_heartbeat(USUAL.replace('"did":"1","sn":"S","ip":"::1"', "")) is not None


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        ('"msgid":"1"', '"msgid":1'),
        ('"msgid":"1",', ""),
        ('"msgid"', '"msgid "'),
        ('"token":"t",', ""),
        ('"/heartbeat"', '" heartbeat"'),
        ('"/heartbeat"', '"/token/update"'),
        ('"did":"1"', '"did":1'),
        ('"did":"1"', '"did":null,"more":[[[[[[[[]]]]]]]]'),
        ('"param":', '"code":200,"param":'),
        ('"param":{"did":"1","sn":"S","ip":"::1"}', '"param":[]'),
        ("}}}", "}}"),
        ('"t"', f'"{"t" * 500}"'),
        ('"t"', r'"\ud800"'),
    ],
)
def test_every_other_frame_is_left_to_the_tolerant_reader(usual: str, other: str) -> None:
    assert usual in USUAL
    assert read_usual_heartbeat(USUAL.replace(usual, other, 1)) is None
    assert read_usual_heartbeat(USUAL.encode()) is None
