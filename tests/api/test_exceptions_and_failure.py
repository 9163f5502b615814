"""Exceptions, and failures that cross from one process to another as data."""

from __future__ import annotations

import io
import pickle

import msgspec
import pytest

from raycrawl import exceptions
from raycrawl.exceptions import (
    CloseSpider,
    DownloadTimeoutError,
    DropItem,
    IgnoreRequest,
    RemoteError,
    ScrapyDeprecationWarning,
    StopDownload,
    UsageError,
)
from raycrawl.failure import Failure

NAMES = [
    "CannotResolveHostError", "CloseSpider", "ContractFail", "DontCloseSpider", "DownloadCancelledError",
    "DownloadConnectionRefusedError", "DownloadFailedError", "DownloadTimeoutError", "DropItem", "IgnoreRequest",
    "NotConfigured", "NotSupported", "ResponseDataLossError", "StopDownload", "UnsupportedURLSchemeError", "UsageError",
]  # fmt: skip


class TestExceptions:
    @pytest.mark.parametrize("name", NAMES)
    def test_are_exceptions(self, name: str) -> None:
        assert issubclass(getattr(exceptions, name), Exception)

    def test_deprecation_warning_is_shown_by_default(self) -> None:
        assert issubclass(ScrapyDeprecationWarning, Warning)
        assert not issubclass(ScrapyDeprecationWarning, DeprecationWarning)

    def test_contract_fail_is_an_assertion(self) -> None:
        assert issubclass(exceptions.ContractFail, AssertionError)

    def test_close_spider(self) -> None:
        assert CloseSpider().reason == "cancelled"
        assert CloseSpider("enough").reason == "enough"

    def test_drop_item(self) -> None:
        assert DropItem("no price").log_level is None
        assert str(DropItem("no price", log_level="INFO")) == "no price"
        assert DropItem("no price", log_level="INFO").log_level == "INFO"

    def test_stop_download(self) -> None:
        assert StopDownload().fail is True
        assert StopDownload(fail=False).fail is False
        with pytest.raises(TypeError):
            StopDownload(False)  # type: ignore[call-arg]

    def test_usage_error(self) -> None:
        assert UsageError("wrong").print_help is True
        assert UsageError("wrong", print_help=False).print_help is False

    @pytest.mark.parametrize(
        "error",
        [CloseSpider("enough"), DropItem("no", log_level=10), IgnoreRequest("no"), RemoteError("a.B", "oops")],
    )
    def test_pickle(self, error: Exception) -> None:
        other = pickle.loads(pickle.dumps(error))
        assert type(other) is type(error)
        assert other.args == error.args
        assert vars(other) == vars(error)


class SpecialError(ValueError):
    pass


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def failed(error: BaseException) -> Failure:
    try:
        raise error
    except type(error):
        return Failure()


class TestFailure:
    def test_has_value_type_and_request(self) -> None:
        error = ValueError("oops")
        failure = Failure(error, request="the request")  # type: ignore[arg-type]
        assert failure.value is error
        assert failure.type is ValueError
        assert failure.request == "the request"
        assert Failure(error).request is None
        assert failure.getErrorMessage() == "oops"

    def test_takes_the_exception_that_is_handled(self) -> None:
        assert failed(KeyError("k")).check(KeyError)
        with pytest.raises(ValueError, match="without an exception"):
            Failure()

    def test_check(self) -> None:
        failure = Failure(SpecialError("oops"))
        assert failure.check(KeyError, ValueError) is ValueError
        assert failure.check(SpecialError, ValueError) is SpecialError
        assert failure.check(KeyError) is None
        assert failure.check("builtins.ValueError") == "builtins.ValueError"
        assert failure.check() is None

    def test_trap(self) -> None:
        failure = Failure(SpecialError("oops"))
        assert failure.trap(ValueError) is ValueError
        with pytest.raises(SpecialError, match="oops"):
            failure.trap(KeyError)

    def test_raise(self) -> None:
        with pytest.raises(ZeroDivisionError):
            Failure(ZeroDivisionError()).raiseException()

    def test_traceback(self) -> None:
        failure = failed(ValueError("oops"))
        assert "def failed" not in failure.getTraceback()
        assert "raise error" in failure.getTraceback()
        assert "ValueError: oops" in failure.getTraceback()
        assert failure.tb is not None
        assert failure.getTracebackObject() is failure.tb
        out = io.StringIO()
        failure.printTraceback(out)
        assert out.getvalue() == failure.getTraceback()
        assert "ValueError: oops" in failure.getBriefTraceback()

    def test_text(self) -> None:
        assert str(Failure(ValueError("oops"))) == "[Failure instance: builtins.ValueError: oops]"
        assert repr(Failure(ValueError("oops"))) == "<Failure builtins.ValueError: oops>"


class TestTravel:
    def travel(self, failure: Failure) -> Failure:
        """Through the encoding that messages have."""
        data = msgspec.msgpack.decode(msgspec.msgpack.encode(failure.to_dict()))
        return Failure.from_dict(data)

    @pytest.mark.parametrize(
        "error",
        [
            DownloadTimeoutError("took too long"),
            CloseSpider("enough"),
            DropItem("no price", log_level="INFO"),
            IgnoreRequest("robots.txt", 403),
            StopDownload(fail=False),
            KeyError("k"),
            OSError(111, "refused"),
        ],
    )
    def test_known_classes_are_rebuilt(self, error: Exception) -> None:
        failure = self.travel(failed(error))
        assert failure.type is type(error)
        assert failure.value.args == error.args
        assert vars(failure.value) == vars(error)
        assert str(failure.value) == str(error)
        assert "Traceback" in failure.getTraceback()
        with pytest.raises(type(error)):
            failure.trap()

    def test_os_error_attributes(self) -> None:
        assert self.travel(failed(ConnectionRefusedError(111, "refused"))).value.errno == 111

    def test_other_classes_are_described(self) -> None:
        failure = self.travel(failed(SpecialError("oops")))
        assert failure.type is RemoteError
        assert failure.value.type_name == f"{__name__}.SpecialError"
        assert failure.value.message == "oops"
        assert "SpecialError: oops" in failure.getTraceback()
        assert failure.check(f"{__name__}.SpecialError")
        assert failure.check(ValueError) is None

    def test_a_second_trip_keeps_the_description(self) -> None:
        once = self.travel(failed(SpecialError("oops")))
        twice = self.travel(once)
        assert twice.value.type_name == f"{__name__}.SpecialError"
        assert twice.getTraceback() == once.getTraceback()

    def test_arguments_that_are_not_plain(self) -> None:
        failure = self.travel(failed(KeyError(object())))
        assert failure.type is RemoteError
        assert failure.value.type_name == "builtins.KeyError"

    def test_exception_without_text(self) -> None:
        assert "UnprintableError" in self.travel(Failure(UnprintableError())).getErrorMessage()

    @pytest.mark.parametrize(
        "type_path",
        ["os.system", "builtins.eval", "builtins.KeyboardInterrupt", "builtins.SystemExit", "raycrawl.exceptions.Any",
         "raycrawl.failure.Failure", "nowhere", "", "subprocess.CalledProcessError"],
    )  # fmt: skip
    def test_nothing_is_imported_or_called_at_another_process_word(self, type_path: str) -> None:
        failure = Failure.from_dict({"type": type_path, "args": ["echo"], "message": "m", "traceback": ""})
        assert failure.type is RemoteError
        assert failure.value.type_name == type_path

    def test_request_is_given_by_the_receiver(self) -> None:
        data = Failure(ValueError("oops")).to_dict()
        assert Failure.from_dict(data, request="request").request == "request"  # type: ignore[arg-type]
